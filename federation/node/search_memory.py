"""Full text of articles in plain memory: what the FTS5 form is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import log

from dataset.full_text import Term, terms_asked, terms_of
from dataset.ids import ArticleId
from federation.ports import TITLE_WEIGHT, SearchText

_K1, _B = 1.2, 0.75
_LEAST_IDF = 1e-6
"""FTS5's, for a term that more than half of the texts have"""


class MemoryArticleSearch:
    """``federation.ports.ArticleSearch``, by looking at every text."""

    def __init__(self) -> None:
        self._terms: dict[ArticleId, tuple[Counter[str], Counter[str]]] = {}
        """of title and body"""

    def put(self, texts: Mapping[ArticleId, SearchText | None]) -> None:
        """See ``ArticleSearch``."""
        for article, text in texts.items():
            if text is None:
                self._terms.pop(article, None)
            else:
                self._terms[article] = (Counter(terms_of(text.title)), Counter(terms_of(text.body)))

    def search(self, text: str, limit: int) -> list[ArticleId]:
        """See ``ArticleSearch``."""
        asked = terms_asked(text)
        lengths = {article: title.total() + body.total() for article, (title, body) in self._terms.items()}
        average = sum(lengths.values()) / len(lengths) if lengths else 0.0
        scores: dict[ArticleId, float] = {}
        having: Counter[ArticleId] = Counter()
        for term in asked:
            times = {article: self._times(article, term) for article in self._terms}
            times = {article: count for article, count in times.items() if count}
            idf = max(_LEAST_IDF, log((len(lengths) - len(times) + 0.5) / (len(times) + 0.5)))
            for article, count in times.items():
                length = 1 - _B + _B * lengths[article] / average
                scores[article] = scores.get(article, 0.0) + idf * count * (_K1 + 1) / (count + _K1 * length)
                having[article] += 1
        ranked = sorted(scores, key=lambda one: (having[one] < len(asked), -round(scores[one], 9), one))
        return ranked[:limit]

    def _times(self, article: ArticleId, asked: Term) -> float:
        """How often the article has it, in its title with more weight."""
        title, body = (
            sum(count for term, count in terms.items() if _meant(term, asked)) for terms in self._terms[article]
        )
        return TITLE_WEIGHT * title + body


def _meant(term: str, asked: Term) -> bool:
    return term.startswith(asked.text) if asked.begins else term == asked.text
