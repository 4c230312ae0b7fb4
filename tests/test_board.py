"""The scoreboard of a page: every claim once, nothing of the data is markup, filters that hide."""

import re

import pytest

from helpers.book import board, claims, scoreboard


@pytest.fixture
def rows():
    made = []
    for index, claim in enumerate(claims.load().values()):
        found = claims.decide(claim, [])
        verdict = claims.VERDICTS[index % 5]
        facts = {"dataset": "mine <script>", "notebook": claim.notebook, "reason": "", "figure": ""}
        words = {"rule": claim.in_words, "control_in_words": claim.control_in_words}
        own = {"id": claim.id, "published": claim.published, "where": claim.where}
        made.append({**own, **found, **facts, **words, "statement": claim.statement})
        made[-1]["verdict"] = verdict
    return made


def test_every_claim_stands_there_once_and_names_are_no_markup(rows):
    page = board.board(rows, {"real": rows[:3]}, lambda row: "x.png?" + row["id"]).data
    assert re.findall(r'<details class="claim" id="([^"]+)"', page) == list(claims.load())
    assert page.count("<script>") == 1 and "mine &lt;script&gt;" in page
    assert page.count("real: <span") == 3
    assert page.count("<img ") == len(rows)


def test_a_row_shows_what_its_rule_compares_and_says_what_it_lacks(rows):
    own = next(row for row in rows if row["id"] == "B.nmf.rank")
    found = {"error": 0.2, "svd_error": 0.1, "positions": 54321.0}
    own |= {"verdict": "not reproduced", "mean": found, "values": [found]}
    page = board.board([own]).data
    summary = re.search("<summary>.*?</summary>", page)[0]
    assert "error 0.2, svd error 0.1" in summary and "positions" not in summary
    assert "positions 54,321" in page
    lacks = re.search("<dt>what the rule lacks</dt><dd>(.*?)</dd>", page)[1]
    assert lacks == "error (0.2) is not at most 1.25 × svd error (0.1)"


def test_whole_claims_are_counted_in_whole_steps(rows):
    axis = scoreboard.summary([row for row in rows if row["id"][0] == "B"][:5]).axes[0]
    assert all(tick == int(tick) for tick in axis.get_xticks())


def test_every_verdict_has_its_colour():
    from helpers.book.root import project_root

    styles = (project_root() / "_web" / "book.css").read_text()
    for verdict in claims.VERDICTS:
        assert f".{board.verdict_class(verdict)} " in styles


def test_filters_hide_rows_without_a_server(rows, tmp_path, browser):
    (tmp_path / "page.html").write_text(f"<meta charset=utf-8>{board.board(rows).data}")
    tab = browser.new_page(viewport={"width": 380, "height": 800})
    tab.goto((tmp_path / "page.html").as_uri())
    assert tab.inner_text(".board-count") == "45 of 45 claims"
    tab.select_option("select[name=paper]", "B")
    tab.select_option("select[name=verdict]", "not reproduced")
    wanted = [r["id"] for r in rows if r["id"][0] == "B" and r["verdict"] == "not reproduced"]
    assert tab.inner_text(".board-count") == f"{len(wanted)} of 45 claims"
    visible = tab.locator("details.claim:visible")
    assert [visible.nth(i).get_attribute("id") for i in range(visible.count())] == wanted
    visible.first.locator("summary").click()
    assert visible.first.locator(".board-more").is_visible()
    tab.close()
