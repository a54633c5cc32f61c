"""Alerts: a rule is one SQL file of `models/alerts/`, each of its rows an alert, each alert decided and delivered once."""

from meterhouse.alerts.delivery import find_and_deliver
from meterhouse.alerts.listing import print_alerts, undelivered

__all__ = ["find_and_deliver", "print_alerts", "undelivered"]
