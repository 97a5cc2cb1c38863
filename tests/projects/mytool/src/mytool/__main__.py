import sys

from mytool.cli import main

sys.exit(main())
