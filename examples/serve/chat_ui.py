"""A chat UI in a terminal, as any program that speaks OpenAI's API is one.

Needs a running `lmort-mem serve` and `pip install openai`:

    export OPENAI_BASE_URL=http://127.0.0.1:7373/v1
    export OPENAI_API_KEY=$(lmort-mem serve --show-token)
    python examples/serve/chat_ui.py

Graphical ones (Open WebUI, LibreChat, Jan, …) take the same two values and the model lmort+memory.
"""

import sys

from openai import OpenAI


def main() -> None:
    """Read turns from stdin; stream each reply, then say what was recalled for it."""
    client, messages = OpenAI(), []
    for line in filter(str.strip, sys.stdin):
        messages.append({"role": "user", "content": line.strip()})
        stream = client.chat.completions.create(
            model="lmort+memory", messages=messages, stream=True, max_tokens=60
        )
        said = ""
        for chunk in stream:
            piece = chunk.choices[0].delta.content or ""
            said += piece
            print(piece, end="", flush=True)
            if chunk.choices[0].finish_reason:
                recalled = chunk.lmort["recalled"]
        messages.append({"role": "assistant", "content": said})
        print()
        for note in recalled:
            print(f"  [recalled: {note['text']}]")


if __name__ == "__main__":
    main()
