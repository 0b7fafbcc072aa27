"""Texts for the tokenizer tests: written by hand for what goes wrong, and at random for what nobody thought of."""

import random

TEXTS = [
    "",
    " ",
    "\n",
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    # Contractions: case, the long s, curly apostrophes, what only looks like one.
    "I'm you're he's we've they'll I'd can't 'tis o'clock",
    "I'M YOU'RE HE'S WE'VE THEY'LL I'D CAN'T 'Tis 'rE 'vE 'Ll 'lL",
    "'ſ 'ſa it'ſ a'ſb 'S's''s '' ' 's'",
    "it’s don’t ‘quoted’ “quoted” 'squoted' 're 'remember 'velvet 'llama 'dog 'mother 'tea",
    "'r 'v 'l 'lx 'rx 'K 'K 'ss 'ﬆ x'",
    # Digits: one, two, three and more, of other scripts, with signs between.
    "1 12 123 1234 12345 123456 1234567 0.5 1,000,000.00 3.14159 1e-10 0xDEADBEEF 2024-01-31",
    "a1b22c333d4444 ٣ ٣٤٥٦ १२३४ ๑๒๓๔ 12٣45 1٢3 Ⅷ ⅷ ½ ¾ x² x³ ①②③④ 〇一二三 𝟏𝟐𝟑𝟒",
    " 1  12   123    1234\t5\n6",
    "1234567890" * 20,
    # White space: runs, kinds, before and after words, at the ends.
    "  two   three    four     five",
    "trailing   ",
    "   leading",
    "tab\tsep\t\ttwo\t\t\tthree",
    "line\nline\n\nline\n\n\nline\r\nline\r\n\r\nline\rline",
    " \n \n  \n\n  x\n ",
    "\n\n  indented\n    more\n\t\ttabs\n",
    "x \n",
    "x  \n",
    "x\n y",
    "x \r\n  y",
    "\u00a0\u00a0a\u00a0 b",
    "a\u3000b\u3000\u3000c",
    "a\u2028b\u2029c\u0085d",
    "a\u200bb\ufeffc\u180ed\u2060e",
    "\u2003\u2002 x \u2003",
    "\x0b\x0c x \x1c\x1d\x1e\x1f y",
    " " * 40 + "x" + " " * 41 + "\n" + "\t" * 20 + "y",
    # Punctuation and symbols.
    "!!! ??? ... --- *** ### $$$ %%% &&& @@@ ((( ))) [[[ ]]] {{{ }}} <<< >>> ||| \\\\\\ /// ``` ~~~ ^^^ +++ ===",
    "a+b=c; x<=y && z>=w || !(p->q) ? r : s; $var `cmd` ~/path ^caret C:\\dir\\file.txt",
    'e.g. i.e. etc.,and;so:on!really?yes(no)[maybe]{perhaps}<tag>"quote"',
    "—–‒―…•·†‡§¶©®™°±×÷≠≤≥∞∑∏√∫€£¥₿←→↑↓♠♣♥♦",
    "￥１２３ＡＢＣ，。！？「」『』【】",
    # Languages.
    "Größe, Übung, Straße, äöüÄÖÜß – naïve café, crème brûlée, Ångström, señor, coração, œuvre, Þórður, ĳsselmeer",
    "Ελληνικά: η γρήγορη καφέ αλεπού. Ἀρχὴ ἥμισυ παντός.",
    "Русский: Съешь же ещё этих мягких французских булок, да выпей чаю. Українська: їжак, ґанок.",
    "العربية: مرحبا بالعالم. السَّلَامُ عَلَيْكُمْ، ١٢٣٤٥؟",
    "עברית: שָׁלוֹם עוֹלָם, מה שלומך?",
    "हिन्दी: नमस्ते दुनिया। क्या हाल है? १२३ कि॒ताबें",
    "ไทย: สวัสดีชาวโลก กินข้าวหรือยัง ๑๒๓",
    "中文：你好，世界！今天天气怎么样？我有３个苹果和12本书。",
    "日本語：こんにちは、世界。カタカナとひらがなと漢字、ｶﾀｶﾅ。東京都は2,194km²。",
    "한국어: 안녕하세요 세계! 오늘 날씨가 어때요? ㄱㄴㄷ",
    "Tiếng Việt: Xin chào thế giới, đường phố. İstanbul ısı Iğdır. Zażółć gęślą jaźń.",
    "தமிழ்: வணக்கம் உலகம். বাংলা: হ্যালো বিশ্ব। ქართული: გამარჯობა. Հայերեն: Բարեւ. አማርኛ: ሰላም",
    "ᏣᎳᎩ ᚠᚢᚦᚨᚱᚲ 𐌲𐌿𐍄𐌹𐍃𐌺 𓀀𓂀 𝒜𝓁𝓅𝒽𝒶 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ﷽ ﬁﬂﬀ",
    # Marks that combine, in both normal forms: tokenizers of GGUF files do not normalise.
    "é e\u0301 ñ n\u0303 ö o\u0308 Å A\u030a Å \u0301\u0302\u0303 a\u0301\u0302\u0303b x\u20dd",
    # Emoji, with joiners, skins, flags, keycaps.
    "😀😃😄 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣ #️⃣ ❤️ ☺︎ 🤷🏻‍♀️ 🧑‍💻",
    "text😀text 😀 text\n😀\n\n😀 1😀2",
    # Code.
    'def fibonacci(n):\n    """Return the n-th number."""\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n',
    '#include <stdio.h>\n\nint main(void) {\n\tprintf("%d\\n", 0x1F & ~(1 << 3));\n\treturn 0;\n}\n',
    "func f<T: P>(_ x: [T]) -> Int? {\n    guard let y = x.first else { return nil }\n    return y.count\n}",
    "SELECT a.id, COUNT(*) FROM t AS a WHERE a.x >= 10.5 AND a.s LIKE '%x''s%' GROUP BY 1;",
    '{"key": [1, 2.5e3, true, null], "nested": {"a": "b\\u00e9\\n"}}\n',
    "<!DOCTYPE html>\n<html><body class='x'>&nbsp;&lt;p&gt;</body></html>",
    "https://example.org/a/b?c=d&e=f#g user@example.com +49 (0)30 123456 #hashtag @mention",
    "camelCase PascalCase snake_case SCREAMING_CASE kebab-case x1y2z3 __init__ a.b.c::d->e",
    # Things that look like special tokens, or begin like them.
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|",
    "<|<|im_end|>|>",
    "<|im_end|><|im_end|>",
    "<|endoftext|>",
    " <|endoftext|> ",
    "<|begin_of_text|>a<|eot_id|>",
    "<s></s><unk><pad>",
    "<repo_name>x<reponame>",
    # Controls, the ends of planes, private use, noncharacters, the replacement character.
    "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f",
    "a\x04b !\x04! 1\x061 .\x13\x14. \x00\x00",
    "\u0080\u0081\u009f\u00ad \ufffd\ufffd \ufffe\uffff \U0001ffff \U0010ffff \ue000\uf8ff \U000f0000",
    "\U00040000!\U00080000? a\U000c0000b",
    # Long words: the merges of one word are as long as a prompt can be.
    "a" * 3000,
    " " * 3000,
    "7" * 3000,
    "\n" * 1500,
    "ab" * 1500,
    "'" * 1000,
    "é" * 1500,
    "漢字" * 700,
    "!?" * 700,
    "=" * 997 + ">",
    "\t \t" * 500 + "x",
    "the" * 999,
    "Donaudampfschifffahrtsgesellschaftskapitän" * 30,
]

WORD_LIST = """the of and to in is that for it as was with be by on not he his but at are this have from or had an they
which one you were all her she there would their we him been has when who will no more if out so up said
Haus Straße größer été naïve niño привет мир δοκιμή שלום سلام नमस्ते สวัสดี 你好 世界 こんにちは カタカナ 안녕 việt
int void return const self def class import println std::vector NULL 0x7f 3.14 1e9 2024 don't I'm we'll they've it's"""
WORDS = WORD_LIST.split()

# Ranges of characters that have long been assigned, so that every table of Unicode agrees on them.
RANGES = [
    (0x21, 0x7E), (0x21, 0x7E), (0x61, 0x7A), (0x41, 0x5A), (0x30, 0x39), (0xA1, 0xFF), (0x100, 0x17F), (0x250, 0x2AF),
    (0x300, 0x36F), (0x391, 0x3A1), (0x3B1, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x621, 0x64A), (0x64B, 0x652),
    (0x660, 0x669), (0x904, 0x939), (0x93E, 0x94D), (0x966, 0x96F), (0xE01, 0xE2E), (0xE30, 0xE3A), (0xE50, 0xE59),
    (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x2030, 0x205E), (0x2070, 0x2071), (0x2074, 0x208E), (0x20A0, 0x20B5),
    (0x2150, 0x2188), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2460, 0x249B), (0x2500, 0x257F), (0x2600, 0x26FF),
    (0x3001, 0x3003), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0x3400, 0x4DB5), (0xAC00, 0xD7A3),
    (0xFE00, 0xFE0F), (0xFF01, 0xFF5E), (0x1D400, 0x1D454), (0x1D7CE, 0x1D7FF), (0x1F300, 0x1F320), (0x1F600, 0x1F64F),
    (0x1F3FB, 0x1F3FF), (0x1F1E6, 0x1F1FF), (0x20000, 0x2A6D6), (0xE0061, 0xE007A),
]  # fmt: skip
SPACES = "  \t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
LIKE_SPACES = "\u200b\u200d\ufeff\u180e\u2060\x1c\x1f\x00\x04\x1b\x7f\xad"
CONTRACTIONS = ["'s", "'S", "'t", "'T", "'re", "'RE", "'rE", "'ve", "'m", "'ll", "'lL", "'d", "'ſ", "'", "’s", "'x"]


def random_text(rng: random.Random, specials: list[str]) -> str:
    def characters() -> str:
        first, last = rng.choice(RANGES)
        return "".join(chr(rng.randint(first, last)) for _ in range(rng.choice([1, 1, 2, 3, 5, 8])))

    def spaces() -> str:
        kinds = rng.choice([" ", " ", "\n", " \n", "\r\n", SPACES, SPACES])
        return "".join(rng.choice(kinds) for _ in range(rng.choice([1, 1, 1, 2, 3, 6])))

    def piece() -> str:
        choice = rng.random()
        if choice < 0.22:
            return rng.choice(WORDS)
        if choice < 0.50:
            return spaces()
        if choice < 0.74:
            return characters()
        if choice < 0.80:
            return rng.choice(CONTRACTIONS)
        if choice < 0.86:
            return "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 7)))
        if choice < 0.92:
            return rng.choice("!?.,;:-_()[]{}<>|/\\\"'`~@#$%^&*+=") * rng.choice([1, 1, 2, 4])
        if choice < 0.96 or not specials:
            return "".join(rng.choice(LIKE_SPACES) for _ in range(rng.randint(1, 2)))
        special = rng.choice(specials)
        return special if rng.random() < 0.8 else special[: rng.randint(1, len(special))]

    return "".join(piece() for _ in range(rng.choice([1, 2, 4, 8, 16, 30])))
