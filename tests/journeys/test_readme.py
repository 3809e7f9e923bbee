"""What the README promises a newcomer, done word by word: edit, break, write, extend."""

import json
import re
import shutil
import time

import pytest
from playwright.sync_api import expect

from tests.conftest import ROOT
from tests.journeys.browser import PATIENCE, Phone, browser, log_in, photograph
from tests.running import Running

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMISED_SECONDS = 2


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_five_minutes_of_the_readme(tmp_path):
    datasets, processors = tmp_path / "datasets", tmp_path / "processors"
    shutil.copytree(ROOT / "datasets", datasets)
    shutil.copytree(ROOT / "processors", processors, ignore=shutil.ignore_patterns("__pycache__"))
    hours, tires = datasets / "flows" / "hours.json", datasets / "flows" / "tires.json"
    places = {"WHATSFLOW_DATASETS": str(datasets), "WHATSFLOW_PROCESSORS": str(processors)}
    with Running(tmp_path, **places) as up, browser() as chromium:
        ready = up.wait_ready()
        context = chromium.new_context(viewport={"width": 1400, "height": 900})
        page = context.new_page()
        log_in(page, ready["url"].replace("/admin/", "/simulator/"), ready["password"])
        phone = Phone(page)

        # 2. Edit a flow: live in two seconds.
        edited = hours.read_text(encoding="utf-8").replace("9:00 to 18:00", "8:00 to 20:00")
        hours.write_text(edited, encoding="utf-8")
        time.sleep(PROMISED_SECONDS)
        phone.say("hours")
        expect(phone.phone).to_contain_text("8:00 to 20:00", timeout=PATIENCE)

        # … break it: the place of the fault, and the old version answers.
        hours.write_text(edited.replace('"id": "hours",', '"id": "hours"', 1), encoding="utf-8")
        fault = up.wait_for(r"flows/hours\.json:(\d+):(\d+)", 10)
        line = edited.splitlines().index('  "id": "hours",') + 1
        assert int(fault[1]) in {line, line + 1}, fault[0]
        before = phone.phone.locator(".bubble--theirs").count()
        phone.say("hours")
        expect(phone.phone.locator(".bubble--theirs")).not_to_have_count(before, timeout=PATIENCE)
        expect(phone.phone).to_contain_text("8:00 to 20:00")
        admin = context.new_page()
        admin.goto(f"{ready['url']}flows/flowfile/")
        expect(admin.locator("body")).to_contain_text("hours.json", timeout=PATIENCE)
        photograph(admin, "admin-flow-files")

        # 3. Write one: it is there.
        tires.write_text(blocks("json")[0], encoding="utf-8")
        time.sleep(PROMISED_SECONDS)
        phone.say("tires")
        phone.hears("How many kilometers are on your tires?")
        phone.say("15000")
        phone.hears("15000 km is a lot. Come by!")

        # 4. Add a processor.
        (processors / "tires.py").write_text(blocks("python")[0], encoding="utf-8")
        flow = json.loads(tires.read_text(encoding="utf-8"))
        step = json.loads(blocks("json")[1].strip().rstrip(","))
        flow["steps"].insert(2, step)
        flow["steps"][1]["next_step"][0]["step"] = "price"
        flow["steps"][3]["content"]["body"] = "{{ kilometers }} km is a lot. Come by for {{ offer }}!"
        tires.write_text(json.dumps(flow, ensure_ascii=False), encoding="utf-8")
        time.sleep(PROMISED_SECONDS)
        phone.say("tires")
        phone.hears("How many kilometers are on your tires?")
        phone.say("15000")
        phone.hears("Come by for a check for ₹200!")
        photograph(page, "simulator-readme")
