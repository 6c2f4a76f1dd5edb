"""Suites that whoever writes a provider runs against it, our own as well. They need
pytest and pytest-asyncio.

The product itself never comes here.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "bot.testing.ci_contract", "bot.testing.metrics_contract", "bot.testing.oncall_contract"
)
