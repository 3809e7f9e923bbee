"""Which flow takes a message, in the order of the flow language; and what a turn leaves behind."""

import pytest
from django.utils import timezone

from conversations import clock, consent, handoffs, inbox, splitter, turns
from conversations.models import (
    Contact,
    Conversation,
    Handoff,
    Inbox,
    Message,
    Number,
    Outbox,
    Session,
    SessionStep,
)
from flows import database
from flows.facts import Event, Incident
from tests.conversations import bodies
from tests.conversations.way import ask, choice, flow, say
from tests.factories import UserFactory

HOUR = 3600


@pytest.fixture
def shop(way):
    """One flow that asks, one that says, one that lets nobody break in."""
    way.publish(
        flow(
            "bikes",
            choice("pick", "Which?", ("red", "Red"), ("blue", "Blue")),
            say("done", "You took {{ picked.id }}"),
        ),
        flow("hours", say("say", "We are open."), trigger=["hours", {"type": "button", "id": "open"}]),
        flow(
            "survey",
            ask("ask", "How was it?"),
            say("thanks", "Thanks for {{ answer }}"),
            settings={"interrupt": "never"},
        ),
        flow(
            "prices", say("say", "Prices"), trigger={"type": "keyword", "text": "price", "match": "contains"}
        ),
        flow("red", say("say", "All about red")),
    )
    return way


def events(name: str) -> int:
    return Event.objects.filter(name=name).count()


# --- rule 1: blocked ---


def test_a_blocked_contacts_message_is_stored_only(shop):
    shop.talk("hello")
    Contact.objects.update(is_blocked=True)
    assert shop.talk("hours") == []
    assert shop.inputs("new") == []


# --- rule 2: STOP and START ---


def test_stop_is_confirmed_once_and_silences_the_bot(shop):
    assert shop.talk("hours") == ["We are open."]
    (said,) = shop.talk("STOP")
    assert said == consent.CONFIRMATIONS["stop"]["en"]
    assert Contact.objects.get().is_opted_out
    shop.talk("hours")
    kinds = Outbox.objects.order_by("seq").values_list("kind", flat=True)
    assert list(kinds)[:2] == ["reply", "confirmation"]


def test_start_opts_a_stopped_contact_in_again(shop):
    shop.talk("stop")
    assert shop.talk("START") == [consent.CONFIRMATIONS["start"]["en"]]
    assert not Contact.objects.get().is_opted_out
    assert shop.talk("hours") == ["We are open."]


def test_start_of_whoever_did_not_stop_is_an_ordinary_word(shop):
    shop.publish(flow("beginning", say("say", "Let us begin"), trigger="begin"))
    assert "Let us begin" in shop.talk("begin")
    assert consent.CONFIRMATIONS["start"]["en"] not in shop.talk("start")


@pytest.mark.parametrize(
    ("words", "is_out"),
    [
        (("stop", "start"), False),
        (("start", "stop"), True),
        (("stop", "start", "stop"), True),
        (("stop", "start", "stop", "start"), False),
    ],
)
def test_of_stop_and_start_at_once_the_last_one_counts(shop, words, is_out):
    shop.say(*words)
    shop.drain()
    assert Contact.objects.get().is_opted_out is is_out


def test_a_start_that_was_overtaken_by_a_stop_does_not_opt_in(shop):
    """The START of an opted-out contact waits for its turn while the STOP after it is split."""
    shop.talk("stop")
    shop.say("start")
    shop.say("stop")
    shop.drain()
    assert Contact.objects.get().is_opted_out


def test_stop_goes_before_a_waiting_question_and_before_a_person(shop):
    shop.talk("bikes")
    assert shop.talk("stop") == [consent.CONFIRMATIONS["stop"]["en"]]
    Conversation.objects.update(owner="person")
    assert shop.talk("start") == [consent.CONFIRMATIONS["start"]["en"]]


def test_a_confirmation_is_in_the_contacts_language(shop):
    shop.talk("hours")
    Contact.objects.update(language="hi")
    assert shop.talk("बंद करें") == [consent.CONFIRMATIONS["stop"]["hi"]]


# --- rule 3: a person owns the conversation ---


@pytest.mark.parametrize("owner", ["person", "waiting"])
def test_the_bot_is_silent_while_people_have_the_conversation(shop, owner):
    shop.talk("bikes")
    Conversation.objects.update(owner=owner)
    assert shop.talk("red", "hours") == []
    assert shop.session().state == "waiting"


def test_a_closed_conversation_is_the_bots_again_on_the_next_message(shop):
    shop.talk("hours")
    Conversation.objects.update(owner="closed")
    assert shop.talk("hours") == ["We are open."]
    assert Conversation.objects.get().owner == "bot"


# --- rule 4: the waiting choice ---


def test_an_option_of_the_waiting_choice_goes_before_a_keyword(shop):
    assert shop.talk("bikes", "red") == ["Which?", "You took red"]


@pytest.mark.parametrize("typed", ["blue", "BLUE", " Blue ", "2"])
def test_a_choice_is_taken_as_typed(shop, typed):
    assert shop.talk("bikes", typed)[-1] == "You took blue"


def test_a_tap_on_the_waiting_question_is_taken(shop):
    shop.talk("bikes")
    Message.objects.filter(is_inbound=False).update(wamid="wamid.OURS")
    shop.deliver(bodies.messages(bodies.tap("blue", "Blue", context="wamid.OURS")))
    shop.drain()
    assert shop.said()[-1] == "You took blue"


def test_a_tap_on_an_old_question_asks_the_present_one_again_once(shop):
    shop.talk("bikes", "red")
    Message.objects.filter(is_inbound=False, text="Which?").update(wamid="wamid.OLD")
    shop.talk("bikes")
    for _ in range(2):
        shop.deliver(bodies.messages(bodies.tap("blue", "Blue", context="wamid.OLD")))
        shop.drain()
    assert shop.said()[2:] == ["Which?", "Which?"]
    assert shop.session().state == "waiting"
    assert events("stale_tap") == 2


# --- rule 5: breaking in ---


def test_an_exact_keyword_breaks_into_a_waiting_session(shop):
    assert shop.talk("bikes", "hours") == ["Which?", "We are open."]
    session = Session.objects.get(flow_id="bikes")
    assert (session.state, session.outcome) == ("ended", "interrupted")
    assert session.ended_at is not None


def test_a_buttons_trigger_breaks_in_too(shop):
    shop.talk("bikes")
    shop.deliver(bodies.messages(bodies.tap("open", "Open?")))
    shop.drain()
    assert shop.said()[-1] == "We are open."


def test_other_kinds_of_trigger_do_not_break_in(shop):
    said = shop.talk("bikes", "what is the price")
    assert "Prices" not in said
    assert shop.session().flow_id == "bikes"


def test_nothing_breaks_into_a_flow_that_says_never(shop):
    assert shop.talk("survey", "hours") == ["How was it?", "Thanks for hours"]


def test_never_holds_in_a_called_flow_too(way):
    way.publish(
        flow("outer", {"id": "in", "type": "flow", "flow": "inner"}, say("end", "back")),
        flow("inner", ask("ask", "Inner?"), settings={"interrupt": "never"}, trigger="inner"),
        flow("hours", say("say", "We are open.")),
    )
    assert way.talk("outer", "hours") == ["Inner?", "back"]


# --- rules 6 to 8 ---


def test_a_reply_goes_to_the_waiting_session(shop):
    assert shop.talk("survey", "fine") == ["How was it?", "Thanks for fine"]


def test_with_nothing_waiting_every_kind_of_trigger_counts(shop):
    assert shop.talk("what is the price?") == ["Prices"]


def test_a_new_contact_is_new_for_its_first_message_only(way):
    way.publish(flow("welcome", say("say", "Welcome!"), trigger={"type": "new_contact"}))
    assert way.talk("hello", "hello again")[0] == "Welcome!"
    assert way.said().count("Welcome!") == 1


def test_an_unmatched_message_is_counted_and_answered_once_an_hour(shop):
    first = shop.talk("gibberish")
    assert len(first) == 1
    assert shop.talk("more gibberish") == []
    clock.jump(HOUR + 1)
    assert shop.talk("yet more") == first
    assert events("message_unmatched") == 3
    assert Outbox.objects.first().kind == "system"


@pytest.mark.parametrize(
    ("texts", "language", "said"),
    [
        ({"en": "Pardon?", "hi": "क्या?"}, "hi", ["क्या?"]),
        ({"en": "Pardon?"}, "pt-BR", ["Pardon?"]),
        ({"en": "", "hi": ""}, "en", []),
    ],
)
def test_the_unmatched_reply_is_the_numbers_own_in_the_contacts_language(shop, texts, language, said):
    Number.objects.update(unmatched_reply=texts)
    shop.talk("hours")
    Contact.objects.update(language=language)
    assert shop.talk("gibberish") == said


def test_a_reaction_starts_nothing_and_is_no_answer(shop):
    shop.talk("survey")
    reaction = bodies.message("reaction", {"message_id": "wamid.X", "emoji": "👍"})
    shop.deliver(bodies.messages(reaction))
    shop.drain()
    assert shop.said() == ["How was it?"]


# --- reentry ---


@pytest.mark.parametrize(
    ("reentry", "waits", "said"),
    [
        ("always", (0, 0), 3),
        ("once", (0, 90 * 86_400), 1),
        ({"every": "7d"}, (86_400, 7 * 86_400), 2),
    ],
)
def test_a_flow_takes_a_contact_again_as_its_reentry_says(way, reentry, waits, said):
    way.publish(flow("gift", say("say", "A gift!"), settings={"reentry": reentry}))
    way.talk("gift")
    for seconds in waits:
        if seconds:
            clock.jump(seconds)
        way.talk("gift")
    assert way.said().count("A gift!") == said


def test_once_is_once_for_two_messages_in_one_turn(way):
    way.publish(flow("gift", say("say", "A gift!"), settings={"reentry": "once"}))
    way.say("gift", "gift")
    way.drain()
    assert way.said().count("A gift!") == 1


def test_where_reentry_forbids_one_flow_the_next_match_takes_the_message(way):
    way.publish(
        flow("gift", say("say", "A gift!"), settings={"reentry": "once"}),
        flow("rest", say("say", "Hello again"), trigger={"type": "catch_all"}),
    )
    assert way.talk("gift", "gift") == ["A gift!", "Hello again"]


# --- people ---


def test_a_handoff_gives_the_conversation_to_people_and_a_hand_back_goes_on(way):
    way.publish(
        flow(
            "help",
            {"id": "human", "type": "handoff", "team": "sales", "note": "Needs help", "step": "after"},
            say("after", "Back with the bot"),
        )
    )
    assert way.talk("help") == []
    conversation = Conversation.objects.get()
    assert (conversation.owner, conversation.team) == ("waiting", "sales")
    handoff = Handoff.objects.get()
    assert (handoff.state, handoff.team, handoff.note) == ("open", "sales", "Needs help")
    assert way.session(state="with_person").flow_id == "help"
    anna = UserFactory.create(username="anna")
    handoffs.take_over(conversation, anna)
    assert way.talk("anybody there?") == []
    handoffs.hand_back(Conversation.objects.get(), anna)
    way.drain()
    assert way.said() == ["Back with the bot"]
    assert Session.objects.get().outcome == "completed"


def test_a_handoff_without_a_way_back_ends_the_session(way):
    way.publish(flow("help", {"id": "human", "type": "handoff", "team": "sales"}))
    way.talk("help")
    assert (Session.objects.get().state, Session.objects.get().outcome) == ("ended", "handed_off")


def test_a_person_who_took_over_during_a_turn_keeps_the_conversation(shop, monkeypatch):
    shop.talk("hours")
    shop.say("gibberish")
    splitter.split()
    real_commit = turns._commit

    def take_over(*given):
        Conversation.objects.update(owner="person")
        real_commit(*given)

    monkeypatch.setattr(turns, "_commit", take_over)
    turns.work()
    assert Conversation.objects.get().owner == "person"


# --- starts by name ---


def start(contact_id: int, flow_id: str, **more) -> None:
    with database.write() as cursor:
        inbox.enqueue(cursor, contact_id, bodies.NUMBER, "start", {"flow_id": flow_id, **more})


def test_a_flow_is_started_by_name_and_ends_what_was_waiting(shop):
    shop.talk("bikes")
    start(Contact.objects.get().pk, "hours")
    shop.drain()
    assert shop.said() == ["Which?", "We are open."]
    assert Session.objects.get(flow_id="bikes").outcome == "interrupted"


def test_a_start_of_a_flow_that_is_not_live_is_refused_and_recorded(shop):
    shop.talk("hours")
    start(Contact.objects.get().pk, "no_such_flow")
    shop.drain()
    assert Event.objects.get(name="start_refused").data["flow"] == "no_such_flow"


def test_a_start_where_contact_and_number_never_met_is_refused_and_recorded(shop):
    contact = Contact.objects.create(phone="919607709999", created_at=timezone.now())
    start(contact.pk, "hours")
    shop.drain()
    assert Event.objects.get(name="start_refused").data["reason"]
    assert shop.inputs("new") == []


def test_a_campaigns_row_is_readable_in_the_flow_it_starts(way):
    way.publish(flow("offer", say("say", "Only {{ campaign.price }}!"), trigger="offer"))
    way.talk("hi")
    start(Contact.objects.get().pk, "offer", campaign={"price": "9"})
    way.drain()
    assert way.said()[-1] == "Only 9!"


# --- what a turn leaves behind ---


def test_contact_groups_and_fields_are_written_with_the_turn(way):
    effects = {
        "id": "set",
        "type": "set",
        "contact": {"city": "Pune", "name": "Ravi", "language": "hi"},
        "groups": {"add": ["vip", "new"], "remove": ["old"]},
        "consent": "marketing_in",
    }
    way.publish(flow("profile", effects))
    way.talk("hello")
    Contact.objects.update(groups=["old", "kept"])
    way.talk("profile")
    contact = Contact.objects.get()
    assert (contact.name, contact.language, contact.fields) == ("Ravi", "hi", {"city": "Pune"})
    assert contact.groups == ["kept", "vip", "new"]
    assert contact.has_marketing_consent


def test_the_journal_holds_each_input_once_with_its_moment(shop):
    shop.talk("survey", "fine")
    session = Session.objects.get()
    steps = list(SessionStep.objects.order_by("step_no"))
    assert [(s.step_no, s.kind) for s in steps] == [(0, "start"), (1, "reply")]
    assert [s.inbox_id for s in steps] == list(Inbox.objects.order_by("seq").values_list("id", flat=True))
    assert {s.session_id for s in steps} == {session.pk}
    assert steps[0].epoch < steps[1].epoch
    assert session.steps_count == 2


def test_a_bubble_names_flow_and_step(shop):
    shop.talk("survey")
    bubble = Message.objects.get(is_inbound=False)
    row = Outbox.objects.get()
    assert (bubble.flow_id, bubble.step_id, bubble.ref) == ("survey", "ask", row.ref)
    assert (bubble.outbox_id, bubble.kind, bubble.text) == (row.pk, "text", "How was it?")
    conversation = Conversation.objects.get()
    assert (conversation.last_text, conversation.unread_count) == ("How was it?", 1)


def test_a_published_event_is_a_fact(way):
    way.publish(flow("lead", {"id": "p", "type": "publish", "event": "lead_made", "data": {"n": 1}}))
    way.talk("lead")
    assert Event.objects.get(name="event_published").data == {"event": "lead_made", "data": {"n": 1}}


def test_a_session_that_fails_with_nothing_said_sends_the_failure_reply_once_an_hour(way):
    way.publish(flow("broken", say("say", "Dear {{ nobody }}"), variables={"nobody": None}))
    first = way.talk("broken")
    assert len(first) == 1
    assert Outbox.objects.get().kind == "system"
    assert way.talk("broken") == []
    clock.jump(HOUR + 1)
    assert way.talk("broken") == first
    assert Session.objects.filter(outcome="failed").count() == 3
    assert Incident.objects.get(kind="flow").scope == "broken/say"


def test_a_session_that_fails_after_it_said_something_sends_no_failure_reply(way):
    oops = say("oops", "Dear {{ nobody }}")
    way.publish(flow("broken", say("say", "Hello"), oops, variables={"nobody": None}))
    assert way.talk("broken") == ["Hello"]


def test_a_session_keeps_the_version_that_it_began_with(way):
    way.publish(flow("survey", ask("ask", "How was it?"), say("thanks", "Thanks!")))
    way.talk("survey")
    way.publish(flow("survey", ask("ask", "And now?"), say("thanks", "Merci!")))
    assert way.talk("fine", "survey") == ["Thanks!", "And now?"]
