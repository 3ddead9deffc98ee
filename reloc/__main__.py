"""`python -m reloc`: the command line where the program `reloc` is not on the path."""

from reloc.cli import main

if __name__ == "__main__":
    main()
