"""`python -m backbeat`, the same as the `backbeat` command; alone it serves."""

import sys

from backbeat.cli import main

if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.argv.append("serve")
    main()
