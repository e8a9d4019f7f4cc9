"""A web application as people write them: Flask, SQLAlchemy's ORM on SQLite, and a cache in the process.

    python web_app.py FOLDER [CONTAINERS = 500000]

A shop's pages of products with their reviews, a search, a report of what was thought of two hundred products, and
reviews that are written. What a page shows is kept in a cache with the least recently used first to go, which is full,
CONTAINERS of them together, before the first request; three pages in four are found in it. The server is waitress: one
process, four threads, connections that stay. The port is printed when it serves; the database lies in FOLDER. `/facts`
tells of the process: its collections, as gc.callbacks tell of them, and what it used.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import resource
import sqlite3
import sys
import threading
import time
from collections import OrderedDict
from typing import Any

from flask import Flask, jsonify, render_template, request
from jinja2 import DictLoader
from sqlalchemy import ForeignKey, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from waitress.server import create_server

PRODUCTS = 6_000
REVIEWS = 6  # of each product
THREADS = 4
WORDS = ("plain", "small", "large", "red", "blue", "green", "old", "new", "soft", "hard", "dark", "quick", "heavy")
TAGS = ("verified", "photo", "gift")

REPORTED = 200  # products of a report

PAGE = """<!doctype html><title>{{ page.title }}</title><h1>{{ page.title }}</h1><p>{{ page.text }}</p><ul>
{% for review in page.reviews %}<li>{{ review.stars }}: {{ review.text }} ({{ review.author.name }})</li>
{% endfor %}</ul>"""
LIST = """<!doctype html><title>{{ word }}</title><ol>
{% for product in found %}<li><a href="/product/{{ product.id }}">{{ product.name }}</a> {{ product.price }}</li>
{% endfor %}</ol>"""


class Base(DeclarativeBase):
    """What the tables have in common."""


class Product(Base):
    """Something on sale."""

    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    price: Mapped[int]
    text: Mapped[str]
    reviews: Mapped[list[Review]] = relationship(back_populates="product", order_by="Review.id")


class Review(Base):
    """What somebody thinks of it."""

    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    author: Mapped[str]
    stars: Mapped[int]
    text: Mapped[str]
    product: Mapped[Product] = relationship(back_populates="reviews")


class Page:
    """What a page shows."""

    def __init__(self, product: Product, group: int) -> None:
        self.title = f"{product.name} for group {group}"
        self.text = product.text
        self.prices = {"net": [product.price, group], "gross": [product.price * 119 // 100, group]}
        self.reviews = [self.review(one) for one in product.reviews[-REVIEWS:]]

    @staticmethod
    def review(review: Review) -> dict[str, Any]:
        """A review, as the template reads it."""
        author = {"name": review.author, "tags": [TAGS[review.id % 3]], "seen": [review.stars]}
        return {"stars": review.stars, "text": review.text, "author": author, "dates": [review.id, review.stars]}


# A page, its place in the cache, its prices (3), its list, and for each review 2 dicts and 3 lists.
PER_PAGE = 6 + 5 * REVIEWS


class Cache:
    """Pages by product and group of customers."""

    def __init__(self, most: int) -> None:
        self.pages: OrderedDict[tuple[int, int], Page] = OrderedDict()
        self.most = most
        self.lock = threading.Lock()

    def get(self, key: tuple[int, int]) -> Page | None:
        """A page that is there."""
        with self.lock:
            found = self.pages.get(key)
            if found is not None:
                self.pages.move_to_end(key)
            return found

    def put(self, key: tuple[int, int], page: Page) -> None:
        """Keep a page; the one that was not asked for longest goes."""
        with self.lock:
            self.pages[key] = page
            if len(self.pages) > self.most:
                self.pages.popitem(last=False)


class Watch:
    """Collections of the process, on the wall clock."""

    def __init__(self) -> None:
        self.began = 0.0
        self.total = self.longest = 0.0
        self.count = self.full = 0
        gc.callbacks.append(self.note)

    def note(self, phase: str, info: dict[str, int]) -> None:
        """Hear of a collection's begin or end."""
        if phase == "start":
            self.began = time.perf_counter()
            return
        took = time.perf_counter() - self.began
        self.total += took
        self.longest = max(self.longest, took)
        self.count += 1
        self.full += info["generation"] == 2


def make_database(path: str) -> None:
    """The shop, the same in every run."""
    dice = random.Random(1)
    database = sqlite3.connect(path)
    products = [
        (number, f"{dice.choice(WORDS)} {dice.choice(WORDS)} thing {number}", dice.randrange(9999), "words " * 20)
        for number in range(1, PRODUCTS + 1)
    ]
    reviews = [
        (number, f"author {dice.randrange(999)}", dice.randrange(1, 6), f"review {dice.random()}")
        for number in range(1, PRODUCTS + 1)
        for _ in range(REVIEWS)
    ]
    database.executemany("insert into product (id, name, price, text) values (?, ?, ?, ?)", products)
    database.executemany("insert into review (product_id, author, stars, text) values (?, ?, ?, ?)", reviews)
    database.commit()
    database.close()


def open_database(folder: str) -> Any:
    """The engine, over a database that is made anew. Nothing waits for the disk, which is not what is measured."""
    path = os.path.join(folder, "shop.sqlite")
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _record: Any) -> None:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = off")

    Base.metadata.create_all(engine)
    make_database(path)
    return engine


def fill(cache: Cache, engine: Any) -> None:
    """Pages of all products for one group of customers after the other, until the cache is full."""
    with Session(engine) as session:
        products = session.scalars(select(Product).options(selectinload(Product.reviews))).all()
        for number in range(cache.most):
            group, place = divmod(number, len(products))
            cache.put((products[place].id, group), Page(products[place], group))


def make_app(engine: Any, cache: Cache, watch: Watch) -> Flask:
    """The application."""
    app = Flask(__name__)
    app.jinja_loader = DictLoader({"page.html": PAGE, "list.html": LIST})

    @app.get("/product/<int:number>/<int:group>")
    def product(number: int, group: int) -> str:
        page = cache.get((number, group))
        if page is None:
            with Session(engine) as session:
                asked = select(Product).where(Product.id == number).options(selectinload(Product.reviews))
                page = Page(session.scalars(asked).one(), group)
            cache.put((number, group), page)
        return render_template("page.html", page=page)

    @app.get("/search/<word>/<int:after>")
    def search(word: str, after: int) -> str:
        with Session(engine) as session:
            asked = select(Product).where(Product.name.startswith(word), Product.id > after).limit(20)
            return render_template("list.html", word=word, found=session.scalars(asked).all())

    @app.get("/report/<int:after>")
    def report(after: int) -> Any:
        with Session(engine) as session:
            asked = select(Product).where(Product.id > after).limit(REPORTED).options(selectinload(Product.reviews))
            rows = [
                {"id": one.id, "name": one.name, "stars": [review.stars for review in one.reviews]}
                for one in session.scalars(asked)
            ]
            return jsonify(rows)

    @app.post("/product/<int:number>/review")
    def review(number: int) -> Any:
        told = request.get_json()
        with Session(engine) as session:
            made = Review(product_id=number, author=told["author"], stars=told["stars"], text=told["text"])
            session.add(made)
            session.commit()
            return jsonify(id=made.id)

    @app.get("/facts")
    def facts() -> Any:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return jsonify(
            pages=len(cache.pages),
            containers=len(cache.pages) * PER_PAGE,
            cpu=used.ru_utime + used.ru_stime,
            resident=used.ru_maxrss * 1024,
            collections=watch.count,
            full=watch.full,
            collecting=watch.total,
            longest=watch.longest,
        )

    return app


def main() -> None:
    folder, *rest = sys.argv[1:]
    containers = int(rest[0]) if rest else 500_000
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # that requests wait is what is asked for
    engine = open_database(folder)
    cache = Cache(containers // PER_PAGE)
    fill(cache, engine)
    server = create_server(make_app(engine, cache, Watch()), host="127.0.0.1", port=0, threads=THREADS)
    print(server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
