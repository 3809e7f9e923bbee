"""A newcomer's first minutes: start, say hi, book a test ride, find it in the admin."""

import re
import signal

import pytest
from playwright.sync_api import expect

from tests.journeys.browser import PATIENCE, Phone, browser, complaints, log_in, photograph
from tests.running import Running

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]


def test_a_newcomer_books_a_test_ride_and_sees_it_in_the_admin(tmp_path):
    with Running(tmp_path) as up, browser() as chromium:
        ready = up.wait_ready()
        page = chromium.new_page(viewport={"width": 1400, "height": 900}, color_scheme="light")
        errors = complaints(page)
        log_in(page, ready["url"].replace("/admin/", "/simulator/"), ready["password"])

        phone = Phone(page)
        phone.say("hi")
        phone.hears("Welcome to Aster Motors")
        photograph(page, "simulator-welcome")
        phone.tap("Test ride")
        phone.hears("Which bike would you like to ride?")
        phone.choose("See the bikes", "Panigale")
        phone.hears("Do you have a motorcycle license?")
        expect(phone.last()).to_contain_text("214 hp")
        phone.tap("Yes, I do")
        phone.hears("Which day suits you?")
        phone.say("tomorrow")
        phone.hears("Shall I book it?")
        phone.tap("Yes, book it")
        phone.hears("Booked!")
        expect(phone.last()).to_contain_text("Panigale")
        photograph(page, "simulator-booked")
        trace = page.locator("#trace")
        expect(trace).to_contain_text("test_ride", timeout=PATIENCE)

        page.goto(f"{ready['url']}conversations/conversation/")
        photograph(page, "admin-conversations")
        page.locator("#result_list a", has_text=re.compile("Ada Park|415")).first.click()
        for text in ("Which bike would you like to ride?", "Panigale", "tomorrow", "Booked!"):
            expect(page.locator("body")).to_contain_text(text, timeout=PATIENCE)
        photograph(page, "admin-conversation")
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 390, "height": 844})
        page.reload()
        expect(page.locator("body")).to_contain_text("Booked!", timeout=PATIENCE)
        photograph(page, "admin-conversation-dark-phone")
        assert errors == []

        assert up.stop(signal.SIGINT) < 10
        assert up.survivors() == set()
