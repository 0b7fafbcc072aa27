"""Conversations and tools that templates are rendered with."""

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": 'The weather at a place, \u2018now\u2019 or <later> & "soon".',
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "A town, e.g. Z\u00fcrich"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                    "days": {"type": "integer", "minimum": 1, "description": "How many days"},
                },
                "required": ["place"],
            },
            "return": {"type": "object", "description": "What the weather is", "properties": {}},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "search",
            "description": "Finds documents",
            "parameters": {
                "type": "object",
                "properties": {
                    "query": {"type": ["string", "null"]},
                    "filters": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]},
                    },
                    "exact": {"type": "boolean", "default": False},
                    "score": {"type": "number", "default": 0.25},
                },
                "required": ["query", "exact"],
            },
        },
    },
]


def call(name: str, arguments, number: int) -> dict:
    return {"id": f"call{number:05d}", "type": "function", "function": {"name": name, "arguments": arguments}}


USER = {"role": "user", "content": "What is 2 + 2?"}
SYSTEM = {"role": "system", "content": "  You are terse.\n"}
ARGUMENTS = {"place": "Z\u00fcrich", "days": 3, "deep": {"a": [1, 2.5, None, True]}}

CONVERSATIONS = [
    [USER],
    [SYSTEM, USER],
    [
        SYSTEM,
        {"role": "user", "content": "H\u00e9llo \U0001f999 <b>&amp;</b> 'quoted' \"twice\"\n\n  indented  "},
        {"role": "assistant", "content": "Hi!\n"},
        {"role": "user", "content": "And <|im_end|>? {{ 7 * 7 }} {% raw %}"},
    ],
    [
        USER,
        {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\nIt is 4."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes.", "reasoning_content": "\nChecked again.\n", "thinking": "Hm."},
        {"role": "user", "content": ""},
    ],
    [
        USER,
        {"role": "assistant", "content": "4"},
    ],
    [
        SYSTEM,
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [call("get_weather", ARGUMENTS, 1)]},
        {"role": "tool", "content": "{\"sky\": \"grey\"}", "tool_call_id": "call00001", "name": "get_weather"},
        {"role": "assistant", "content": "Grey."},
        {"role": "user", "content": "Thanks"},
    ],
    [
        {"role": "user", "content": "Both?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                call("get_weather", ARGUMENTS, 1),
                call("search", {"query": "it's \"x\"\n", "exact": False, "filters": []}, 2),
            ],
        },
        {"role": "tool", "content": "21.5", "tool_call_id": "call00001", "name": "get_weather"},
        {"role": "tool", "content": [{"type": "text", "text": "none"}], "tool_call_id": "call00002", "name": "search"},
        {"role": "assistant", "content": "Nothing.", "reasoning_content": "So."},
    ],
    [
        {"role": "user", "content": "Plain arguments?"},
        {"role": "assistant", "content": None, "tool_calls": [call("search", "{\"query\": \"a\"}", 3)]},
        {"role": "tool", "content": {"found": [1, 2], "ok": True}, "tool_call_id": "call00003", "name": "search"},
    ],
    [
        {"role": "system", "content": [{"type": "text", "text": "Look."}]},
        {
            "role": "user",
            "content": [
                {"type": "image"},
                {"type": "text", "text": " What is this? "},
                {"type": "image_url", "image_url": {"url": "x"}},
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "A llama."}]},
        {"role": "user", "content": [{"type": "text", "text": "More"}, {"type": "text", "text": " please"}]},
    ],
    [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "one"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "three"},
        {"role": "assistant", "content": "four"},
    ],
    [{"role": "assistant", "content": "I begin."}, USER],
    [{"role": "narrator", "content": "Once"}, USER],
    [],
]  # fmt: skip
