"""The providers of one service."""

from __future__ import annotations

from dataclasses import dataclass

from bot.ports.ci import CIProvider
from bot.ports.metrics import MetricsSource
from bot.ports.people import OnCallSchedule


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers of one service."""

    ci: CIProvider
    metrics: MetricsSource
    on_call: OnCallSchedule
