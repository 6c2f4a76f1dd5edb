"""``python -m bot`` is ``gonogo``."""

from bot.cli import main

if __name__ == "__main__":
    main()
