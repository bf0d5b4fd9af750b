"""The training objectives: the paper's, ours, and distillation. Pure functions of vectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["contrastive", "distillation", "paper_contrastive"]


def paper_contrastive(queries: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Eq. 10 unchanged: dot product, no temperature, each query against its own negatives.

    Args:
        queries: (Q, dim), not normalised.
        positives: (Q, dim).
        negatives: (Q, N, dim).
    """
    positive = (queries * positives).sum(dim=-1, keepdim=True)  # (Q, 1)
    negative = torch.einsum("qd,qnd->qn", queries, negatives)
    scores = torch.cat([positive, negative], dim=1)
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))


def contrastive(
    queries: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    temperature: float,
    alike: Tensor | None = None,
) -> Tensor:
    """Cosine similarity at a temperature, against hard and in-batch negatives.

    Every other query's positive and hard negatives are negatives too, but for what is `alike`.

    Args:
        queries: (Q, dim); normalised here.
        positives: (Q, dim).
        negatives: (N, dim), of all queries together; N may be 0.
        temperature: Divides the cosines.
        alike: bool (Q, Q): positives that are left out for a query, as they may answer it too.
    """
    passages = torch.cat([positives, negatives])
    scores = F.normalize(queries, dim=-1) @ F.normalize(passages, dim=-1).T / temperature
    own = torch.arange(len(queries), device=scores.device)
    if alike is not None:
        scores[:, : len(queries)] = scores[:, : len(queries)].masked_fill(alike, -torch.inf)
    return F.cross_entropy(scores, own)


def distillation(
    vectors: Tensor, targets: Tensor, *, cosine_weight: float, temperature: float
) -> Tensor:
    """Match a teacher: its vectors, and its similarities within the batch.

    `cosine_weight` · mean(1 - cos) plus the KL divergence of the in-batch similarity
    distributions, each text against every other, at `temperature`.

    Args:
        vectors: (B, dim) of the student; normalised here.
        targets: (B, dim) of the teacher, unit norm. dim may differ from the student's if
            `cosine_weight` is 0: similarities do not need equal spaces.
        cosine_weight: Weight of the first term.
        temperature: Divides the similarities of the second.
    """
    student = F.normalize(vectors, dim=-1)
    loss = _similarity_divergence(student, targets, temperature)
    if cosine_weight:
        loss = loss + cosine_weight * (1 - (student * targets).sum(dim=-1)).mean()
    return loss


def _similarity_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher ‖ student) of the similarities of each text to the rest of the batch."""
    others = ~torch.eye(len(student), dtype=torch.bool, device=student.device)
    ours = _rows(student @ student.T, others) / temperature
    theirs = _rows(teacher @ teacher.T, others) / temperature
    return F.kl_div(
        F.log_softmax(ours, dim=1),
        F.log_softmax(theirs, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def _rows(square: Tensor, others: Tensor) -> Tensor:
    """Drop the diagonal: (B, B) -> (B, B - 1)."""
    return square[others].view(len(square), -1)
