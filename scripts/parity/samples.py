"""Tokenizers and data of the fixtures: small, of every length that a window or a rope cares for."""

import json
import random

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# The first tokens of every decoder's vocabulary, in this order.
SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>",
           "<|eot_id|>"]
BOS, EOS, IM_END, EOT = 0, 1, 3, 6
VOCABULARY = 288
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORD_PIECES = 200

CORPUS = """
The harbour was quiet before the first boats came in. Gulls walked along the wall and waited.
An old woman counted the baskets twice, wrote the number on a slate, and looked up at the sky.
Rain, she said, by noon; and the wind will turn with the tide. Nobody answered her.
When the bell rang, the market opened: fish on ice, bread in the corner, oranges from the south.
A boy carried 12 lamps up the stairs, 3 at a time, and asked whether the lighthouse needed more.
It did not. The keeper showed him the great lens, how it turned once every 30 seconds, and why.
Light is patient, he told him, but glass is not; clean it every day and it will see you home.
In the evening they measured the rain: 4.5 mm, less than the year before, more than in 1987.
Whoever reads this later should know that the numbers were honest and the tea was strong.
""".strip()

# What byte pairs, normalizers and careless byte counts stumble over.
ODD = [
    "",
    "x",
    "Grüße aus Zürich, çà et là.",
    "灯台は三十秒ごとに回る。",
    "🦀🚢 harbour 👩‍🚀!",
    "e\u0301 is not é",
    "  two spaces, a tab\tand\n\na blank line \n",
    "<|im_end|> said the <s> sheet</s>",
    "Привет, маяк! Как дела?",
]
LENGTHS = [2, 7, 8, 9, 15, 16, 17, 18, 31, 33, 60, 64, 65, 100, 120]
# Tokens of the prompt and of the completion; the start token comes on top.
PAIRS = [(0, 4), (1, 1), (5, 2), (7, 8), (8, 8), (3, 13), (20, 6), (12, 40), (60, 20), (70, 40)]
LABELS = 3
# Shape of a row for a network of convolutions, and its numbers.
CHANNELS = [2, 7, 5]
FEATURES = 70


def byte_level():
    """A byte-level BPE tokenizer, the same for every seed."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([CORPUS], trainer)
    return tokenizer


def word_piece():
    """A WordPiece tokenizer with the parts that BERT's has; its trainer would order by chance."""
    letters = sorted(set(CORPUS.lower()) - {" ", "\n"})
    pool = sorted(set(CORPUS.lower().replace(".", " ").replace(",", " ").split()))
    endings = ["ed", "er", "ing", "ly", "st"]
    pieces = [*PIECES, *letters, *(f"##{part}" for part in [*letters, *endings]),
              *(word for word in pool if word.isalpha() and len(word) > 1)]
    vocabulary = {piece: i for i, piece in enumerate(pieces[:WORD_PIECES])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(PIECES)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def words(rng, count):
    pool = CORPUS.split()
    return " ".join(rng.choice(pool) for _ in range(count))


def of_length(rng, tokenizer, length):
    """A text of exactly so many tokens."""
    while length:
        text = words(rng, 2 * length)
        for end in range(length, len(text)):
            found = len(tokenizer.encode(text[:end], add_special_tokens=False).ids)
            if found == length:
                return text[:end]
            if found > length:
                break
    return ""


def conversations(rng):
    """Two turns and four, with and without a system message, with space that templates trim."""
    def turn(role, content):
        return {"role": role, "content": content}

    def talk(*contents):
        roles = ["user", "assistant"]
        return [turn(roles[i % 2], content) for i, content in enumerate(contents)]

    rows = [
        talk("Who is there?", "Nobody."),
        talk("Wie spät ist es?", " Halb drei. 🕝\n"),
        [turn("system", "Be brief."), *talk("How much rain?", "4.5 mm")],
        talk("One?", words(rng, 3), "Two?", words(rng, 4)),
        [turn("system", words(rng, 2)), *talk(words(rng, 3), words(rng, 2), words(rng, 2), "é")],
        talk("An answer, and then?", words(rng, 2), words(rng, 3)),
    ]
    return [{"conversations": messages} for messages in rows]


def make(seed, tokenizer):
    """The data by file name."""
    rng = random.Random(seed)
    texts = [*ODD, *(of_length(rng, tokenizer, length) for length in LENGTHS)]
    rng.shuffle(texts)
    completions = [{"prompt": of_length(rng, tokenizer, prompt),
                    "completion": of_length(rng, tokenizer, completion)}
                   for prompt, completion in PAIRS]
    completions.append({"prompt": "灯台:", "completion": "🦀 é"})
    labelled = [{"text": words(rng, length), "label": rng.randrange(LABELS)}
                for length in [1, 2, 3, 5, 8, 9, 10, 1, 4, 7, 6, 2]]
    labelled.append({"text": "Grüße, 灯台! 🦀", "label": 0})
    labelled.append({"text": "", "label": 1})
    talks = conversations(rng)
    rows = [{"features": [round(rng.gauss(0, 1), 4) for _ in range(FEATURES)], "label": rng.randrange(LABELS)}
            for _ in range(12)]
    return {
        "texts.jsonl": [{"text": text} for text in texts],
        "completions.jsonl": completions,
        "conversations.jsonl": talks,
        "labelled.jsonl": labelled,
        "rows.jsonl": rows,
    }


def write(folder, data):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in data.items():
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
