"""Many recordings: a plan becomes jobs, each a `reloc track` in a process of its own, here or on a Ray cluster.

Here, that process is forked from one that has loaded everything, which spares each job the start of Python.

What is done stays done: a job's folder appears in one step when its run has ended, with the request that it answers, so that a
batch that was stopped, or whose machine died, goes on where it was when it is started again.
"""
