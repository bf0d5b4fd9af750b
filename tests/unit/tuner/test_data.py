"""Training text: turns, sampling, labelled pairs, MS MARCO's files, recipes."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from lmort_memory.errors import TunerError
from lmort_memory.tuners.train.batches import make_batch
from lmort_memory.tuners.train.data import cut_words, load_folder, split_turns
from lmort_memory.tuners.train.msmarco import load_msmarco
from lmort_memory.tuners.train.recipe import DataRecipe, SourceRecipe, load_recipe, recipe_path

RECIPES = sorted(path.stem for path in recipe_path("smollm2-135m-first").parent.glob("*.toml"))


def write_jsonl(path, rows):
    """Write rows as gzip-compressed JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path):
    """A data folder with dialogues, paragraphs and pairs."""
    dialogue = "User: I need a table for two. System: At what time? User: At half past seven."
    write_jsonl(tmp_path / "text/chats.jsonl.gz", [{"text": dialogue}])
    rows = [{"text": f"Paragraph number {i} says something."} for i in range(50)]
    write_jsonl(tmp_path / "text/notes.jsonl.gz", rows)
    pairs = [{"query": f"What is {i}?", "positive": f"It is the number {i}."} for i in range(20)]
    write_jsonl(tmp_path / "pairs/questions.jsonl.gz", pairs)
    return tmp_path


@pytest.mark.parametrize(
    ("dialogue", "turns"),
    [
        (
            "User: Hi there. System: Confirming: two people? User: Yes.",
            ["Hi there.", "Confirming: two people?", "Yes."],
        ),
        (
            "Speaker 1: Is it 10:30 already? Speaker 2: Note: it is.",
            ["Is it 10:30 already?", "Note: it is."],
        ),
        ("It began. Pooja Ranjan: Yes. Mario Havel: Okay.", ["It began.", "Yes.", "Okay."]),
        ("No speaker at all.", ["No speaker at all."]),
    ],
)
def test_dialogues_are_split_at_their_speakers(dialogue, turns):
    """Speakers end a turn; other colons do not."""
    assert split_turns(dialogue) == turns


def test_cutting_keeps_whole_words_and_their_spacing():
    """A text is cut behind a word; one that is short enough stays as it is."""
    assert cut_words("one  two\nthree four", 3) == "one  two\nthree"
    assert cut_words("one two", 3) == cut_words("one two", 0) == "one two"


def test_sampling_is_deterministic_and_bounded(folder):
    """The same recipe draws the same units; another seed draws others; counts are upper bounds."""
    recipe = DataRecipe(
        sources=(
            SourceRecipe("text/notes", "paragraphs", 10, "MIT"),
            SourceRecipe("text/chats", "turns", 99),
        )
    )
    first, again = load_folder(folder, recipe), load_folder(folder, recipe)
    other = load_folder(folder, DataRecipe(sources=recipe.sources, seed=1))
    assert first.texts == again.texts
    assert np.array_equal(first.anchors, again.anchors)
    assert set(first.texts) != set(other.texts)
    assert len(first.anchors) == 10 + 3
    assert (first.positives == -1).all()
    assert first.sources == (
        ("text/notes", "paragraphs", 10, "MIT"),
        ("text/chats", "turns", 3, ""),
    )


def test_pairs_stay_together(folder):
    """Each anchor of a labelled pair points at its own positive."""
    recipe = DataRecipe(sources=(SourceRecipe("pairs/questions", "pairs", 20),))
    data = load_folder(folder, recipe)
    for anchor, positive in zip(data.anchors, data.positives, strict=True):
        number = data.texts[anchor].removeprefix("What is ").removesuffix("?")
        assert data.texts[positive] == f"It is the number {number}."


def test_pairs_have_what_is_near_and_their_group(folder):
    """As many as the recipe asks for, or -1; drawn the same again; one number for one group."""
    rows = [
        {
            "query": f"What is on shelf {i}?",
            "positive": f"Jars stand on shelf {i}.",
            "near": [f"Shelf {i} is crooked.", f"Shelf {i} is oak.", f"Shelf {i} is old."],
            "group": f"shelf {i // 2}",
        }
        for i in range(4)
    ]
    write_jsonl(folder / "pairs/shelves.jsonl.gz", rows)
    sources = [SourceRecipe(f"pairs/{name}", "pairs", 9) for name in ("shelves", "questions")]
    recipe = DataRecipe(sources=tuple(sources), n_negatives=2)
    data, again = load_folder(folder, recipe), load_folder(folder, recipe)
    assert data.texts == again.texts and np.array_equal(data.negatives, again.negatives)
    groups = {}
    for anchor, negatives, group in zip(data.anchors, data.negatives, data.groups, strict=True):
        if not data.texts[anchor].startswith("What is on"):
            assert (negatives == -1).all() and group == -1
            continue
        shelf = data.texts[anchor].removeprefix("What is on ").removesuffix("?")
        assert len(set(negatives)) == 2
        assert all(data.texts[one].startswith(f"Shelf {shelf[-1]} is") for one in negatives)
        groups[int(shelf[-1])] = group
    assert groups[0] == groups[1] != groups[2] == groups[3]


def test_a_batch_knows_which_pairs_are_alike(folder):
    """Those of one group, of one query or of one positive; a pair is not alike itself."""
    rows = [
        {"query": "Where is the key?", "positive": "The key hangs in the hall.", "group": "key"},
        {"query": "Who has the key?", "positive": "Ada took the key along.", "group": "key"},
        {"query": "Where is the key?", "positive": "Look below the mat for it."},
        {"query": "What is below the mat?", "positive": "Look below the mat for it."},
    ]
    write_jsonl(
        folder / "pairs/keys.jsonl.gz", [{**row, "near": ["A mat is red."]} for row in rows]
    )
    recipe = DataRecipe(sources=(SourceRecipe("pairs/keys", "pairs", 9),), n_negatives=2)
    data = load_folder(folder, recipe)
    batch = make_batch(data, np.arange(4))
    place = {
        data.texts[one][:12] + data.texts[other][:8]: i
        for i, (one, other) in enumerate(zip(data.anchors, data.positives, strict=True))
    }
    number = [place[row["query"][:12] + row["positive"][:8]] for row in rows]
    assert {tuple(sorted(pair)) for pair in np.argwhere(batch.alike)} == {
        tuple(sorted(number[i] for i in pair)) for pair in ((0, 1), (0, 2), (2, 3))
    }
    assert len(batch.texts) == 3 * 4 and (batch.texts >= 0).all()


@pytest.mark.parametrize(
    "odd", [{"near": [3]}, {"near": "This."}, {"group": 3}], ids=["number", "text", "group"]
)
def test_what_is_near_and_groups_must_be_text(folder, odd):
    """A row with anything else is an error that names the key; null is as good as nothing."""
    row = {"query": "What is here?", "positive": "This is here."}
    recipe = DataRecipe(sources=(SourceRecipe("pairs/odd", "pairs", 1),))
    write_jsonl(folder / "pairs/odd.jsonl.gz", [{**row, **odd}])
    with pytest.raises(TunerError, match=next(iter(odd))):
        load_folder(folder, recipe)
    write_jsonl(folder / "pairs/odd.jsonl.gz", [{**row, **dict.fromkeys(odd)}])
    assert load_folder(folder, recipe).groups.tolist() == [-1]


def test_what_is_near_is_cut_like_every_text(folder):
    """To as many words; what is too short, or the answer itself, is left out."""
    row = {
        "query": "What is here in the hall?",
        "positive": "Jars stand in the hall.",
        "near": ["Jars stand in the hall.", "Oak.", " Somebody painted the hall in green. "],
    }
    write_jsonl(folder / "pairs/hall.jsonl.gz", [row])
    source = SourceRecipe("pairs/hall", "pairs", 1)
    data = load_folder(folder, DataRecipe(sources=(source,), n_negatives=3, max_words=5))
    assert [data.texts[one] for one in data.negatives[0] if one >= 0] == [
        "Somebody painted the hall in"
    ]


def test_sessions_come_last_and_whole(folder):
    """Turns of a dialogue keep their order and repeat what stands alone; lone turns are none."""
    dialogues = [
        "User: I keep bees. System: How many hives? User: Three of them.",
        "User: All alone here.",
    ]
    write_jsonl(folder / "text" / "dialogues.jsonl.gz", [{"text": text} for text in dialogues])
    sources = tuple(
        SourceRecipe("text/dialogues", kind, 9, licence="CC0-1.0") for kind in ("sessions", "turns")
    )
    data = load_folder(folder, DataRecipe(sources=sources))
    assert data.sessions == (3,)
    assert data.texts[data.n_alone :] == ("I keep bees.", "How many hives?", "Three of them.")
    assert set(data.texts[: data.n_alone]) == {*data.texts[data.n_alone :], "All alone here."}
    assert sorted(data.anchors) == list(range(7)) and set(data.positives) == {-1}


def test_damaged_sources_name_their_file(folder):
    """A missing source, broken JSON and a row without text are errors that say where."""
    (folder / "text/broken.jsonl.gz").write_bytes(gzip.compress(b'{"text": "fine"}\n{"te'))
    write_jsonl(folder / "text/empty.jsonl.gz", [{"text": " "}])
    for name, words in (("missing", "missing"), ("broken", "broken"), ("empty", "must be text")):
        recipe = DataRecipe(sources=(SourceRecipe(f"text/{name}", "paragraphs", 5),))
        with pytest.raises(TunerError, match=words):
            load_folder(folder, recipe)


@pytest.fixture
def msmarco(tmp_path):
    """A sample in the public formats: two queries with judgements, a third without negatives."""
    passages = "".join(f"{i}\tPassage number {i} about things.\n" for i in range(40))
    (tmp_path / "collection.tsv").write_text(passages)
    (tmp_path / "queries.train.tsv").write_text('7\twhat is a thing\n8\twhere "is" it\n9\twho\n')
    (tmp_path / "qrels.train.tsv").write_text("7\t0\t3\t1\n8\t0\t4\t1\n8\t0\t5\t1\n9\t0\t6\t1\n")
    rows = [
        {"qid": 7, "pos": [3], "neg": {"bm25": [3, 10, 11], "distilbert": [11, 12]}},
        {"qid": 8, "pos": [4, 5], "neg": {"bm25": [20, 21, 22, 23]}},
        {"qid": 9, "pos": [6], "neg": {"bm25": []}},
    ]
    write_jsonl(tmp_path / "msmarco-hard-negatives.jsonl.gz", rows)
    return tmp_path


def test_msmarco_gives_queries_positives_and_negatives(msmarco):
    """One unit for each judgement, with hard negatives of its own query that are not relevant."""
    data = load_msmarco(msmarco, DataRecipe(layout="msmarco", n_negatives=3))
    found = {
        (data.texts[a], data.texts[p]): {data.texts[n] for n in negatives}
        for a, p, negatives in zip(data.anchors, data.positives, data.negatives, strict=True)
    }
    assert set(found) == {
        ("what is a thing", "Passage number 3 about things."),
        ('where "is" it', "Passage number 4 about things."),
        ('where "is" it', "Passage number 5 about things."),
    }
    first = found["what is a thing", "Passage number 3 about things."]
    assert first == {f"Passage number {i} about things." for i in (10, 11, 12)}
    assert data.negatives.shape == (3, 3)


def test_msmarco_repeats_negatives_where_there_are_few(msmarco):
    """The paper's fifteen negatives come out even where a query has three."""
    data = load_msmarco(msmarco, DataRecipe(layout="msmarco", n_negatives=15))
    assert data.negatives.shape == (3, 15)
    assert (data.negatives >= 0).all()


def test_msmarco_reads_gzip_and_limits_pairs(msmarco):
    """Compressed files serve as well, and `max_pairs` bounds the units."""
    plain = msmarco / "collection.tsv"
    (msmarco / "collection.tsv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    data = load_msmarco(msmarco, DataRecipe(layout="msmarco", n_negatives=1, max_pairs=2))
    assert len(data.anchors) == 2


def test_msmarco_files_must_belong_together(msmarco):
    """A passage that the collection lacks, a broken row and a missing file are errors."""
    recipe = DataRecipe(layout="msmarco", n_negatives=3)
    (msmarco / "collection.tsv").write_text("3\tOnly one passage.\n")
    with pytest.raises(TunerError, match="lacks"):
        load_msmarco(msmarco, recipe)
    (msmarco / "collection.tsv").write_text("3 no tab\n")
    with pytest.raises(TunerError, match="columns"):
        load_msmarco(msmarco, recipe)
    (msmarco / "collection.tsv").unlink()
    with pytest.raises(TunerError, match=r"no collection\.tsv"):
        load_msmarco(msmarco, recipe)


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_recipes_load(name):
    """Every recipe that ships is valid and named like its file."""
    assert load_recipe(recipe_path(name)).name == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tuner]\ncolour = 1", "colour"),
        ("[extra]", "extra"),
        ("[train]\nepoch = 3", "epoch"),
        ("[loss]\ndistillation = 0.0", "weight"),
        ("[loss]\ncontrastive = 1.0\ncontrastive_kind = 'dot'", "dot"),
        ("[loss]\ncontrastive = 1.0\n[train]\nclosed_form = true", "teacher"),
        ("[loss]\ndistillation = 1.0\n[data]\nlayout = 'csv'", "csv"),
        ("not toml", "read"),
    ],
)
def test_wrong_recipes_say_what_is_wrong(tmp_path, text, words):
    """Unknown keys, impossible values and broken files are errors that name the key."""
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(TunerError, match=words):
        load_recipe(path)


def test_a_recipe_that_does_not_exist_lists_those_that_do():
    """The error for an unknown name says which names there are."""
    with pytest.raises(TunerError, match="smollm2-135m-first"):
        recipe_path("smollm3")
