#!/bin/sh
# Give editors the memory: their agents through MCP, their chats through OpenAI's API.
#
#     sh examples/serve/editor.sh vscode
set -e
editor=${1:-vscode}

# The agent: shows the change to the editor's settings; add --yes to write it.
lmort-mem install "$editor"

# The chat of an editor that takes any OpenAI endpoint (Continue, Zed, …):
token=$(lmort-mem serve --show-token 2>/dev/null)
cat <<END

base URL  ${LMORT_URL:-http://127.0.0.1:7373}/v1
API key   $token
model     lmort+memory
END
