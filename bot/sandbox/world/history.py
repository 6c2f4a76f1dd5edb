"""What happened to the storefront's code: who changed what, and which commits were released."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FIRST = {
    "README.md": "README.md",
    "app.py": "app.py",
    "products.py": "products.py",
    "test_app.py": "test_app.py",
    "run_tests.py": "run_tests.py",
    "deploy.py": "deploy.py",
    "smoke.py": "smoke.py",
    "pipeline.yml": "pipeline.yml",
    "migrations/0001_orders.sql": "0001_orders.sql",
}
"""The first commit: a file of the repository, and where its text comes from."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in one file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its author, its subject, what it adds and what it edits;
    the tag if it was released.
    """

    author: str
    subject: str
    adds: Mapping[str, str] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    tag: str = ""


PAGE = '    return {"name": name(number), "price": 10 + number}\n'
STOCKED = '    return {"name": name(number), "price": 10 + number, "in_stock": True}\n'
RECOMMENDING = """\
    found = {"name": name(number), "price": 10 + number, "in_stock": True}
    if customer:
        found["you_may_like"] = name(recommendations.related(number))
    return found
"""
COUNTING = """\
    if customer:
        also = [recommendations.related(number), number, (number + 1) % COUNT]
        found["left"] = [await recommendations.stock(each) for each in also]
        found["you_may_like"] = name(also[0])
    return found
"""
TEST_OF_STOCK = """
    def test_products_have_names(self):
        self.assertEqual(products.name(2), "table 2")
"""
TEST_OF_RECOMMENDATIONS = """
    async def test_a_customer_sees_what_others_bought(self):
        page = await products.page(1, customer="ana")
        self.assertEqual(page["you_may_like"], "lamp 10")
"""
END_OF_TESTS = "            products.name(products.COUNT)\n"

DOC = '"""What the shop sells."""\n'
REPLENISHED = RECOMMENDING[RECOMMENDING.index("    if") :]
SORRY = '"something went wrong"'
GREETING = '"shop": "storefront"'

HISTORY = (
    Commit("ana", "Open the shop: home page, products, checkout", adds=FIRST),
    Commit(
        "cy",
        "Say what the repository is for",
        edits=(Edit("README.md", "A small shop.", "A small shop for furniture."),),
    ),
    Commit(
        "di",
        "Answer politely when something goes wrong",
        tag="v1.0.0",
        edits=(Edit("app.py", SORRY, '"something went wrong, please try again"'),),
    ),
    Commit(
        "cy",
        "Sell mirrors under their new name",
        edits=(Edit("products.py", '"mirror")', '"looking glass")'),),
    ),
    Commit(
        "ana",
        ("Show on the product page that a product is in stock"),
        edits=(Edit("products.py", PAGE, STOCKED),),
    ),
    Commit(
        "ana",
        "Test the names of products",
        tag="v1.1.0",
        edits=(Edit("test_app.py", END_OF_TESTS, END_OF_TESTS + TEST_OF_STOCK),),
    ),
    Commit(
        "cy",
        ("Compute recommendations from all past orders"),
        adds={"recommendations.py": "recommendations.py"},
    ),
    Commit(
        "cy",
        "Recommend a related product to signed-in customers",
        edits=(
            Edit("products.py", STOCKED, RECOMMENDING),
            Edit("products.py", DOC, f"{DOC}\nimport recommendations\n"),
        ),
    ),
    Commit(
        "di",
        "Describe recommendations for the support team",
        edits=(
            Edit(
                "README.md",
                "furniture.",
                ("furniture. Signed-in customers see what others bought as well."),
            ),
        ),
    ),
    Commit(
        "cy",
        "Test that a customer sees what others bought",
        edits=(Edit("test_app.py", TEST_OF_STOCK, TEST_OF_STOCK + TEST_OF_RECOMMENDATIONS),),
    ),
    Commit(
        "ana",
        ("Show how many are left of each recommended product"),
        edits=(Edit("products.py", REPLENISHED, COUNTING),),
    ),
    Commit(
        "ana",
        "Greet with the version on the home page",
        tag="v1.2.0",
        edits=(Edit("app.py", GREETING, GREETING + ', "greeting": f"Welcome to {VERSION}"'),),
    ),
)
"""v1.0.0 and v1.1.0 are good. v1.2.0 recommends products that are not sold any more (the lookup
fails) and asks the warehouse bit by bit (it is slow), for signed-in customers only: neither its
tests nor its smoke test nor the anonymous traffic of staging notice.
"""
