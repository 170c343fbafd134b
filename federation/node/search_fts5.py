"""Full text of articles on SQLite's FTS5, in memory: it is made anew at every start, so nothing of it is on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from dataset.full_text import Term, terms_asked, terms_of
from dataset.ids import ArticleId
from federation.ports import TITLE_WEIGHT, SearchText


class Fts5ArticleSearch:
    """``federation.ports.ArticleSearch``. FTS5 sees terms that were cut already, each as the hexadecimal digits of its
    UTF-8: so what is a letter is settled by ``dataset.full_text`` alone, not by SQLite's older tables of Unicode, and
    nothing that is asked can be taken for FTS5's own syntax.
    """

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute("CREATE VIRTUAL TABLE texts USING fts5(title, body, tokenize = 'unicode61')")
        self._connection.execute("CREATE TABLE articles (id INTEGER PRIMARY KEY, article TEXT NOT NULL UNIQUE)")

    def put(self, texts: Mapping[ArticleId, SearchText | None]) -> None:
        """See ``ArticleSearch``."""
        run = self._connection.execute
        run("BEGIN")
        for article, text in texts.items():
            known = run("SELECT id FROM articles WHERE article = ?", (article,)).fetchone()
            if known is not None:
                run("DELETE FROM texts WHERE rowid = ?", known)
                run("DELETE FROM articles WHERE id = ?", known)
            if text is not None:
                number = run("INSERT INTO articles (article) VALUES (?)", (article,)).lastrowid
                shown = (_written(terms_of(text.title)), _written(terms_of(text.body)))
                run("INSERT INTO texts (rowid, title, body) VALUES (?, ?, ?)", (number, *shown))
        run("COMMIT")

    def search(self, text: str, limit: int) -> list[ArticleId]:
        """See ``ArticleSearch``."""
        asked = terms_asked(text)
        if not asked:
            return []
        words = [_query(one) for one in asked]
        found = self._ranked(" AND ".join(words), " OR ".join(words), limit)
        return [ArticleId(article) for (article,) in found]

    def _ranked(self, every: str, some: str, limit: int) -> list[tuple[str]]:
        return self._connection.execute(
            "SELECT article FROM texts JOIN articles ON articles.id = texts.rowid WHERE texts MATCH ?"
            " ORDER BY texts.rowid NOT IN (SELECT rowid FROM texts WHERE texts MATCH ?),"
            " round(bm25(texts, ?, 1.0), 9), article LIMIT ?",
            (some, every, TITLE_WEIGHT, limit),
        ).fetchall()


def _written(terms: Iterable[str]) -> str:
    return " ".join(term.encode().hex() for term in terms)


def _query(term: Term) -> str:
    return f'"{term.text.encode().hex()}"{"*" if term.begins else ""}'
