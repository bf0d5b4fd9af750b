"""OpenAI's own client against the endpoint."""

import openai
import pytest

from lmort_memory.testing.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="module")
def client(server):
    """OpenAI's client, pointed at the server."""
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0)


def ask(client, server, *messages, memory=False, **more):
    """Send a conversation in which user and assistant take turns."""
    model = server.model + ("+memory" if memory else "")
    roles = ("user", "assistant")
    said = [{"role": roles[i % 2], "content": text} for i, text in enumerate(messages)]
    more = {"max_tokens": 24, "temperature": 0, **more}
    return client.chat.completions.create(model=model, messages=said, **more)


def test_models(client, server):
    """The model is listed without and with memory."""
    names = [model.id for model in client.models.list()]
    assert names == [server.model, f"{server.model}+memory"]
    assert client.models.retrieve(names[1]).id == names[1]


def test_chat(client, server):
    """A completion has text, a reason for its end, and the tokens it took."""
    reply = ask(client, server, "Say hello.", max_tokens=5)
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 5


def test_a_reply_that_fills_its_half_of_the_context_is_cut_off(fresh_server, tmp_path):
    """A model that was trained for less than --ctx gives shorter replies, and the client knows."""
    model = write_tiny_gguf(tmp_path / "tiny.gguf", n_ctx=512)
    server = fresh_server("--model", str(model), "--ctx", "4096")
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0)
    reply = ask(client, server, "Say hello.", max_tokens=400)
    assert reply.usage.completion_tokens == 256
    assert reply.choices[0].finish_reason == "length"


def test_the_same_seed_says_the_same(client, server):
    """A seed makes a reply reproducible; another one is another reply."""
    said = [
        ask(client, server, "Tell a story.", temperature=1.5, seed=seed).choices[0].message.content
        for seed in (1, 1, 2)
    ]
    assert said[0] == said[1] != said[2]


def test_streaming(client, server):
    """The pieces of a stream are the reply, and its end has the usage."""
    whole = ask(client, server, "Say hello.").choices[0].message.content
    stream = ask(client, server, "Say hello.", stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[-2].choices[0].finish_reason in ("stop", "length")


def test_stop(client, server):
    """A stop text ends the reply and is not part of it."""
    whole = ask(client, server, "Say hello.").choices[0].message.content
    stop = whole.split()[1]
    reply = ask(client, server, "Say hello.", stop=[stop]).choices[0]
    assert reply.message.content == whole[: whole.index(stop)]
    assert reply.finish_reason == "stop"


def test_json_schema(client, server):
    """A schema is kept to, by a grammar."""
    import json

    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}, "n": {"type": "integer"}},
        "required": ["city", "n"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    reply = ask(client, server, "Name a city.", response_format=form, max_tokens=120)
    assert set(json.loads(reply.choices[0].message.content)) == {"city", "n"}


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"extra_body": {"frobnicate": 1}}, "frobnicate"),
        ({"stop": [""]}, "stop"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"modalities": ["audio"]}, "modalities"),
    ],
)
def test_what_is_not_supported_is_an_error(client, server, more, param):
    """Nothing is ignored: the error names the parameter, in OpenAI's form."""
    with pytest.raises(openai.BadRequestError) as error:
        ask(client, server, "Hello.", **more)
    assert (error.value.body["param"] or "").startswith(param)


def test_errors_have_their_classes(client, server):
    """The client raises what it raises for OpenAI."""
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model=server.model, input="x")
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0).models.list()
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model=server.model,
            messages=[
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
            ],
        )


def test_embeddings_in_every_form(client, server):
    """Texts and tokens, one and many, base64 and float are the same vectors of norm 1."""
    import math

    base = client.embeddings.create(model=server.model, input="Ada keeps bees.").data[0].embedding
    plain = client.embeddings.create(
        model=server.model, input="Ada keeps bees.", encoding_format="float"
    )
    assert base == pytest.approx(plain.data[0].embedding)
    assert math.fsum(x * x for x in base) == pytest.approx(1, abs=1e-4)
    many = client.embeddings.create(model=server.model, input=["Ada keeps bees.", "Rain."])
    assert [one.index for one in many.data] == [0, 1]
    assert many.data[0].embedding == pytest.approx(base, abs=1e-3)
    tokens = client.embeddings.create(model=server.model, input=[[1000, 2000, 3000], [4000]])
    assert len(tokens.data) == 2
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model=server.model, input="x", dimensions=7)
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model=server.model, input="")


def test_a_conversation_is_evaluated_once_and_stored_once(client, server):
    """Sent anew with every request, only what is new goes through the model and into the store."""
    import httpx

    session = {"X-Lmort-Session": "once", "X-Lmort-Scope": "once"}
    said = ["Ada keeps bees in Trondheim."]
    evaluated = []
    for turn in ("They swarm in May.", "How long is the winter there?", "Thank you."):
        reply = ask(client, server, *said, memory=True, extra_headers=session)
        evaluated.append(reply.lmort["evaluated_tokens"] - reply.usage.completion_tokens)
        assert reply.lmort["session"] == "once"
        said += [reply.choices[0].message.content, turn]
    # A turn of some 10 tokens, the template's, and at most 256 of notes; never the whole again.
    assert all(n < 45 + reply.lmort["notes_tokens"] for n in evaluated[1:]), evaluated
    assert reply.usage.prompt_tokens > evaluated[-1]
    page = httpx.get(
        f"{server.url}/api/records?scope=once&limit=100", headers=server.headers
    ).json()
    texts = [record["text"] for record in page["records"]]
    assert sorted(texts) == sorted(set(texts))
    assert {text for text in said[:-1:2]} <= set(texts)


def test_memory_is_told_what_it_recalled(client, server):
    """A fact of one session is recalled in another, and the reply names it; off means off."""
    first = {"scope": "bees", "session": "a", "memory": True}
    ask(client, server, "My sister Ada keeps bees in Trondheim.", extra_body={"lmort": first})
    later = {"scope": "bees", "session": "b", "memory": True}
    reply = ask(client, server, "Where does my sister Ada keep bees?", extra_body={"lmort": later})
    assert any("Trondheim" in note["text"] for note in reply.lmort["recalled"])
    assert reply.lmort["turn_id"]
    off = ask(
        client,
        server,
        "Where does my sister Ada keep bees?",
        memory=True,
        extra_headers={"X-Lmort-Memory": "off", "X-Lmort-Scope": "bees"},
    )
    assert not off.lmort["memory"] and "recalled" not in off.lmort
    other = {"scope": "elsewhere", "memory": True}
    reply = ask(client, server, "Where does my sister Ada keep bees?", extra_body={"lmort": other})
    assert reply.lmort["recalled"] == []


def test_names_in_headers(client, server):
    """Programs send them as UTF-8; all scopes at once are not a place for a conversation."""
    import httpx

    reply = httpx.post(
        f"{server.url}/v1/chat/completions",
        headers={**server.headers, "X-Lmort-Session": "дневник".encode()},
        json={"model": "lmort+memory", "messages": [{"role": "user", "content": "Hi."}]},
        timeout=60,
    )
    assert reply.json()["lmort"]["session"] == "дневник"
    with pytest.raises(openai.BadRequestError, match="has one scope"):
        ask(client, server, "Say hi.", memory=True, extra_body={"lmort": {"scope": "*"}})


def test_a_message_longer_than_the_context(fresh_server):
    """It is answered from its parts, and the reply says how much was not read."""
    small = fresh_server("--ctx", "512")
    own = openai.OpenAI(base_url=f"{small.url}/v1", api_key=small.token, max_retries=0)
    reply = ask(own, small, "What is said here?\n\n" + "It rains over the fjord. " * 200)
    assert reply.lmort["unread_tokens"] > 512
    assert ask(own, small, "Say hi.").lmort["unread_tokens"] == 0


def test_without_memory_nothing_is_stored(client, server):
    """The plain name of the model leaves no trace."""
    import httpx

    def count():
        answer = httpx.get(f"{server.url}/api/records/count", headers=server.headers)
        return answer.json()["total"]

    before = count()
    ask(client, server, "This is a secret.")
    assert count() == before


def test_a_client_that_leaves_frees_its_place(client, server):
    """Streams that are broken off do not block the server, nor each other."""
    for _ in range(8):
        stream = ask(client, server, "Tell a very long story.", stream=True, max_tokens=2000)
        next(iter(stream))
        stream.close()
    assert ask(client, server, "Say hello.", max_tokens=3).choices[0].message.content


def test_a_client_that_gives_up_ends_its_reply(server):
    """It may send the same again: what nobody waits for is not generated to its end."""
    import time

    import httpx

    asked = {
        "model": "lmort+memory",
        "messages": [{"role": "user", "content": "Tell a very long story."}],
        "max_tokens": 2000,
        "temperature": 0,  # a drawn reply may be so short that it ends before the client gives up
        "lmort": {"scope": "left"},
    }
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{server.url}/v1/chat/completions", headers=server.headers, json=asked, timeout=2
        )
    end = time.monotonic() + 60
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=60) as api:
        while api.get("/api/status").json()["queue"]["answering"]:
            assert time.monotonic() < end
            time.sleep(0.2)
        kept = api.get("/api/records?scope=left").json()["records"]
    assert kept[-1]["role"] == "user"
    assert all(one["metadata"] == {"broken_off": True} for one in kept[:-1])
