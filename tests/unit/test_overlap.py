"""Word overlap of a question and a text in scripts of several kinds."""

from __future__ import annotations

import pytest

from lmort_memory.memory.overlap import all_stems, overlap


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("Where do the bees live?", "The bees live behind the house.", "Dinner is at eight."),
        ("¿Dónde viven las abejas?", "Las abejas viven detrás.", "La cena es a las ocho."),
        ("蜜蜂住在哪里", "蜜蜂住在房子后面。", "晚饭八点开始。"),
        ("ผึ้งอยู่ที่ไหน", "ผึ้งอยู่หลังบ้าน", "มื้อเย็นตอนสองทุ่ม"),
        ("मधुमक्खियाँ कहाँ रहती हैं?", "मधुमक्खियाँ घर के पीछे रहती हैं।", "खाना आठ बजे है।"),
        ("أين يعيش النحل؟", "النحل يعيش خلف البيت.", "العشاء في الثامنة."),
    ],
)
def test_a_question_overlaps_with_its_answer_in_every_script(question, answer, other):
    """An answer shares at least a quarter of a question's letters, another text less."""
    assert overlap(question, answer) >= 0.25
    assert overlap(question, other) < overlap(question, answer) / 2


def test_vowel_signs_do_not_split_words():
    """A Hindi word is one stem, not one for each letter between its signs."""
    assert all_stems("मधुमक्खियाँ") == {"मधुमक्खियाँ"[:5]}
