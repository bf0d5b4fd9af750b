"""The training objectives, against their formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lmort_memory.tuners.train.losses import contrastive, distillation, paper_contrastive


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    """Seeded normal values."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unit(x: torch.Tensor) -> torch.Tensor:
    """Rows of norm one."""
    return torch.nn.functional.normalize(x, dim=-1)


def test_paper_contrastive_is_equation_10():
    """Dot products, no temperature, each query against its own positive and negatives only."""
    q, p, n = random(3, 4), random(3, 4, seed=1), random(3, 2, 4, seed=2)
    expected = 0.0
    for i in range(3):
        positive = np.exp(float(q[i] @ p[i]))
        negatives = sum(np.exp(float(q[i] @ n[i, j])) for j in range(2))
        expected += -np.log(positive / (positive + negatives)) / 3
    assert float(paper_contrastive(q, p, n)) == pytest.approx(expected, rel=1e-5)


def test_contrastive_uses_every_passage_of_the_batch():
    """Cosines over all positives and all hard negatives, divided by the temperature."""
    q, p, n = random(3, 4), random(3, 4, seed=1), random(6, 4, seed=2)
    passages = unit(torch.cat([p, n]))
    scores = torch.exp(unit(q) @ passages.T / 0.1)
    expected = -torch.log(scores[torch.arange(3), torch.arange(3)] / scores.sum(dim=1)).mean()
    assert float(contrastive(q, p, n, temperature=0.1)) == pytest.approx(float(expected), rel=1e-5)
    alone = contrastive(q, p, n[:0], temperature=0.1)
    assert float(alone) < float(contrastive(q, p, n, temperature=0.1))


def test_pairs_that_are_alike_are_not_held_apart():
    """The first and the third may answer each other's questions; the others may not."""
    q, p, n = random(4, 5), random(4, 5, seed=1), random(2, 5, seed=2)
    alike = torch.zeros(4, 4, dtype=torch.bool)
    alike[0, 2] = alike[2, 0] = True
    passages = unit(torch.cat([p, n]))
    scores = torch.exp(unit(q) @ passages.T / 0.1)
    own = scores[torch.arange(4), torch.arange(4)]
    left_out = torch.stack([scores[0, 2], scores[1, 1] * 0, scores[2, 0], scores[3, 3] * 0])
    expected = -torch.log(own / (scores.sum(dim=1) - left_out)).mean()
    found = contrastive(q, p, n, temperature=0.1, alike=alike)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_a_perfect_student_has_no_distillation_loss():
    """Vectors that point where the teacher's do cost nothing, whatever their length."""
    targets = unit(random(5, 4))
    loss = distillation(7 * targets, targets, cosine_weight=3.0, temperature=0.05)
    assert float(loss) == pytest.approx(0, abs=1e-5)


def test_distillation_is_its_two_terms():
    """Weighted 1 - cos, plus the KL divergence of the similarities to the other texts."""
    student, targets = random(4, 3), unit(random(4, 3, seed=1))
    cosine = float((1 - (unit(student) * targets).sum(dim=1)).mean())
    divergence = 0.0
    for i in range(4):
        others = [j for j in range(4) if j != i]
        theirs = torch.softmax(targets[others] @ targets[i] / 0.5, dim=0)
        ours = torch.softmax(unit(student)[others] @ unit(student)[i] / 0.5, dim=0)
        divergence += float((theirs * (theirs / ours).log()).sum()) / 4
    loss = distillation(student, targets, cosine_weight=2.0, temperature=0.5)
    assert float(loss) == pytest.approx(2 * cosine + divergence, rel=1e-4)


def test_similarities_can_be_distilled_into_another_width():
    """Without the cosine term the student's vectors may be narrower than the teacher's."""
    student = random(4, 2).requires_grad_()
    loss = distillation(student, unit(random(4, 8)), cosine_weight=0.0, temperature=0.05)
    loss.backward()
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
