"""The tables. Rows only: a table model validates nothing, so no rule lives here and
no row leaves the storage.

``record`` holds what has happened, ``work`` what is to be done; whoever imports this
package knows all of them.
"""

import bot.storage.tables.record
import bot.storage.tables.work  # noqa: F401 - both fill SQLModel.metadata
