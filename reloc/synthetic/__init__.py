"""A made-up room and recordings of it, so that everything can be tried without a camera or a download."""
