"""`python -m csfnns`: the command line, where its script is not on the path."""

from csfnns.cli import main

main()
