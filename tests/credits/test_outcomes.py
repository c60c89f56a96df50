"""What each outcome costs is one table: in the code, the docs, on the page and in the tests."""

import html
import re
from itertools import chain
from typing import Any

import pytest
from django.test import Client

from credits.outcomes import FOR_PEOPLE, OUTCOMES
from tests.processes import ROOT

CHAT, API = "tests/ai_chat/test_outcomes.py", "tests/ai_chat/api/test_chat.py"
RECEIPTS, KILLED = "tests/ai_chat/test_receipts.py", "tests/ai_chat/jobs/test_killed.py"
TOKENS, FAULTS = "tests/ai_chat/test_token_outcomes.py", "tests/ai_chat/test_provider_faults.py"
ANSWERING = "tests/ai_chat/jobs/test_answering.py"
THOUGHTS = "tests/ai_chat/jobs/test_free_answers.py"
FREE = "tests/ai_chat/gateway/test_free_answers.py"
STOPPED = "tests/ai_chat/images/test_stopping.py"
IMAGES = "tests/ai_chat/images/test_outcomes.py"
CLOSED = "tests/ai_chat/data/test_closed_meanwhile.py"
#: Of /v1.
GATEWAY = "tests/ai_chat/gateway"
AGAIN, LEFT = f"{GATEWAY}/test_repeats.py", f"{GATEWAY}/test_client_faults.py"
ITS_FAULTS, ITS_KILLED = f"{GATEWAY}/test_provider_faults.py", f"{GATEWAY}/test_killed.py"
#: The tests of each row.
PROOFS: dict[str, list[tuple[str, str]]] = {
    "refused": [
        (CHAT, "test_what_is_refused_before_the_charge_costs_nothing_and_calls_nobody"),
        (API, "test_too_few_credits_is_402_and_the_provider_is_not_called"),
        (API, "test_nobody_is_401"),
    ],
    "failed": [
        (CHAT, "test_a_failed_answer_is_refunded_in_full_and_keeps_its_text"),
        (CHAT, "test_a_provider_that_is_silent_too_long_is_refunded"),
        (CHAT, "test_a_provider_that_cannot_be_reached_is_refunded"),
        (ITS_FAULTS, "test_an_answer_that_fails_is_free"),
    ],
    "empty": [(CHAT, "test_a_failed_answer_is_refunded_in_full_and_keeps_its_text")],
    "length": [
        (ANSWERING, "test_more_than_an_answer_may_hold_is_cut_and_marked"),
        (RECEIPTS, "test_a_cut_answer_says_so_and_offers_to_go_on"),
    ],
    "time": [
        (CHAT, "test_text_that_our_own_time_limit_cuts_is_charged"),
        (ANSWERING, "test_our_time_limit_is_not_the_providers_failure"),
        (RECEIPTS, "test_a_cut_answer_says_so_and_offers_to_go_on"),
    ],
    "early stop": [
        (CHAT, "test_stopped_before_the_first_token_is_refunded"),
        (CHAT, "test_early_stops_cost_once_the_free_ones_of_the_hour_are_used_up"),
    ],
    "stop": [(CHAT, "test_stopped_after_text_was_delivered_is_charged")],
    "lost browser": [(CHAT, "test_a_lost_browser_finds_the_finished_answer_waiting")],
    "lost client": [
        (API, "test_closing_the_stream_after_text_stops_the_answer_and_is_charged"),
        (API, "test_closing_the_stream_before_the_first_token_is_refunded"),
    ],
    "closed account": [
        (CLOSED, "test_an_answer_is_stopped_and_charged_when_its_account_closes"),
        (CLOSED, "test_before_the_first_token_it_is_refunded"),
        (CLOSED, "test_a_ban_stops_images_and_those_that_were_made_stay_charged"),
    ],
    "no image": [(IMAGES, "test_an_answer_that_is_none_is_refunded")],
    "some images": [(IMAGES, "test_what_is_not_delivered_is_refunded")],
    "stopped images": [
        (STOPPED, "test_a_program_stops_its_images_and_is_told_what_came_of_it"),
        (STOPPED, "test_what_was_made_before_a_stop_is_kept_and_paid_for"),
        (STOPPED, "test_stops_before_the_first_image_cost_once_the_free_ones_are_used_up"),
    ],
    "tokens": [
        (TOKENS, "test_an_answer_by_tokens_comes_to_what_the_table_says"),
        (TOKENS, "test_our_own_time_limit_is_paid_by_what_came"),
        (TOKENS, "test_a_lost_browser_finds_the_whole_answer_and_pays_for_it"),
        (TOKENS, "test_a_refusal_before_the_reserve_costs_nothing_and_calls_nobody"),
        (FAULTS, "test_an_answer_that_fails_is_refunded"),
        (ITS_FAULTS, "test_an_answer_that_is_delivered_is_paid_by_its_usage"),
    ],
    "uncounted": [
        (TOKENS, "test_a_stop_after_text_is_paid_by_what_came"),
        (TOKENS, "test_a_program_that_leaves_in_the_middle_pays_what_it_was_sent"),
        (FAULTS, "test_an_answer_that_is_delivered_is_paid_by_its_usage"),
    ],
    "early stop by tokens": [
        (TOKENS, "test_a_stop_before_the_first_token_is_free_until_the_free_ones_are_used_up"),
    ],
    "free answers used up": [
        (FREE, "test_what_comes_to_nothing_is_free_ten_times_an_hour"),
        (FREE, "test_what_the_provider_breaks_off_is_always_free"),
    ],
    "free chat answers used up": [
        (CHAT, "test_what_comes_to_nothing_is_free_ten_times_an_hour"),
        (THOUGHTS, "test_what_comes_to_nothing_by_what_was_asked_is_free_ten_times_an_hour"),
        (THOUGHTS, "test_what_the_provider_breaks_off_is_always_free"),
    ],
    "left whole": [
        (AGAIN, "test_an_answer_that_nobody_read_is_given_to_the_further_try"),
        (AGAIN, "test_an_sdk_that_times_out_and_tries_again_pays_once"),
        (AGAIN, "test_a_call_that_is_no_further_try_is_a_new_one"),
    ],
    "left stream": [
        (AGAIN, "test_a_stream_whose_client_leaves_before_anything_came_is_free"),
        (AGAIN, "test_the_further_try_of_a_stream_stops_the_first_and_begins_anew"),
        (LEFT, "test_a_client_that_leaves_in_the_middle_pays_for_what_it_was_sent"),
        (LEFT, "test_a_client_that_leaves_after_the_last_text_pays_by_the_provider_s_count"),
    ],
    "thought alone": [(ITS_FAULTS, "test_thoughts_alone_are_free")],
    "same key": [
        (AGAIN, "test_a_key_is_answered_once_and_then_with_the_same"),
        (AGAIN, "test_a_key_whose_answer_is_not_kept_any_more_says_so"),
        (AGAIN, "test_a_key_whose_calls_failed_stands_for_the_next_try"),
    ],
    "killed": [
        (ITS_KILLED, "test_calls_whose_workers_are_killed_are_free_once_their_leases_end"),
        (f"{GATEWAY}/test_lost_database.py", "test_an_end_that_fails_is_tried_again_and_paid_once"),
        (KILLED, "test_killed_workers_leave_no_hold_past_its_lease"),
        (TOKENS, "test_what_killed_processes_had_reserved_comes_back"),
    ],
}


def test_every_row_that_holds_has_its_tests() -> None:
    assert PROOFS.keys() == OUTCOMES.keys()


@pytest.mark.parametrize(("path", "name"), sorted(set(chain.from_iterable(PROOFS.values()))))
def test_the_tests_of_the_rows_are_there(path: str, name: str) -> None:
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_the_docs_have_the_same_rows() -> None:
    page = (ROOT / "docs" / "ledger.md").read_text()
    section = page.partition("## What each outcome costs\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*) \| (.*) \|$", section, re.MULTILINE)
    expected = [(outcome.happened, outcome.credits) for outcome in OUTCOMES.values()]
    assert rows == [("outcome", "credits"), *expected]


def test_the_page_has_the_rows_for_people(client: Client, db: Any) -> None:
    table = client.get("/pricing").text.partition('<table class="t outcomes">')[2]
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", table.partition("</table>")[0])
    assert [tuple(map(html.unescape, row)) for row in rows] == FOR_PEOPLE
