"""The product, room by room; see docs/explanation/architecture.md."""
