"""An agent that remembers between runs: observe, recall, act, remember.

    python examples/agent_loop.py "water the tomatoes" "check the bees"

Each task is done with what was learnt from earlier ones, in this run or in any before it. The
"tool" is a stand-in, so that nothing but the memory matters here: put a call of yours in its place.
"""

import sys
from pathlib import Path

from lmort_memory import Memory, Turn

SCOPE = "garden-agent"
LESSONS = {
    "water": "The hose leaks at the tap; water with the can.",
    "bees": "The bees are calm before noon; open the hive then.",
}


def use_tool(task: str, lessons: list[str]) -> str:
    """Do the task and return what was learnt; a real agent would call its model and tools."""
    known = [lesson for word, lesson in LESSONS.items() if word in task]
    new = [lesson for lesson in known if lesson not in lessons]
    return new[0] if new else ""


def run(tasks: list[str], database: Path | None = None) -> list[str]:
    """Work through the tasks; return a line about each."""
    lines = []
    with Memory.open(database) as memory:
        for task in tasks:
            hits = memory.recall(task, top_k=3, scope=SCOPE, where={"kind": "lesson"})
            lessons = [hit.record.text for hit in hits]
            learnt = use_tool(task, lessons)
            if learnt:
                memory.add(
                    Turn(
                        learnt, role="note", scope=SCOPE, metadata={"kind": "lesson", "task": task}
                    )
                )
            lines.append(f"{task}: knew {len(lessons)}, learnt {learnt or 'nothing new'}")
    return lines


if __name__ == "__main__":
    for line in run(sys.argv[1:] or ["water the tomatoes", "check the bees"]):
        print(line)
