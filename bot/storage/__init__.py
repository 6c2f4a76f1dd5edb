"""The database: SQLModel tables (rows only), stores, migrations."""
