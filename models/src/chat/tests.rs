use super::*;
use proptest::prelude::*;

const CHATML: &str = "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + \
     message.content + '<|im_end|>\\n' }}{%- endfor %}{% if add_generation_prompt %}\
     {{ '<|im_start|>assistant\\n' }}{% endif %}";
const LLAMA3: &str = "{% set loop_messages = messages %}{% for message in loop_messages %}\
     {% set content = '<|start|>' + message['role'] + '<|end|>\\n\\n'+ message['content'] | trim \
     + '<|eot|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}\
     {{ content }}{% endfor %}";
const MISTRAL: &str = "{%- if messages[0]['role'] == 'system' %}\
     {%- set system_message = messages[0]['content'] %}{%- set loop_messages = messages[1:] %}\
     {%- else %}{%- set loop_messages = messages %}{%- endif %}{{- bos_token }}\
     {%- for message in loop_messages %}\
     {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
     {{- raise_exception('roles must alternate') }}{%- endif %}\
     {%- if message['role'] == 'user' %}{%- if loop.first and system_message is defined %}\
     {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}\
     {%- else %}{{- ' [INST] ' + message['content'] + ' [/INST]' }}{%- endif %}\
     {%- else %}{{- ' ' + message['content'] + eos_token }}{%- endif %}{%- endfor %}";
/// As of Qwen 3: it leaves an earlier turn's thoughts out, and puts empty ones in the last.
const THINKING: &str = "{%- for message in messages %}{%- set content = message.content %}\
     {%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}\
     {%- endif %}{%- if message.role == 'assistant' and loop.last %}\
     {{- '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' + content + '<|im_end|>\\n' }}\
     {%- else %}{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}\
     {%- endif %}{%- endfor %}";

fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn template(source: &str) -> ChatTemplate {
    let config =
        r#"{"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},"pad_token":null}"#;
    let dir = dir(&[(TEMPLATE, source), (CONFIG, config)]);
    ChatTemplate::read(dir.path()).unwrap()
}

fn turns(turns: &[(&str, &str)]) -> Vec<Turn> {
    let turn = |(role, content): &(&str, &str)| Turn {
        role: (*role).into(),
        content: (*content).into(),
    };
    turns.iter().map(turn).collect()
}

fn end(text: &str) -> Option<usize> {
    let known = ["<|im_end|>", "<|eot|>", "</s>"];
    known
        .iter()
        .find(|token| text.starts_with(*token))
        .map(|token| token.len())
}

fn segments(source: &str, conversation: &[(&str, &str)]) -> Option<Vec<Segment>> {
    template(source)
        .segments(&turns(conversation), &end)
        .unwrap()
}

fn given(text: &str) -> Segment {
    Segment::Given(text.into())
}

fn target(content: &str, end: &str) -> Segment {
    Segment::Target {
        text: format!("{content}{end}"),
        counted: content.len(),
    }
}

const TALK: [(&str, &str); 5] = [
    ("system", "Be brief."),
    ("user", " Hi "),
    ("assistant", "Hello!\n"),
    ("user", "Bye"),
    ("assistant", "So long"),
];

#[test]
fn templates_of_known_families_should_give_each_assistant_turn_with_its_end() {
    assert_eq!(
        segments(CHATML, &TALK).unwrap(),
        [
            given(
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
                 <|im_start|>assistant\n"
            ),
            target("Hello!", "<|im_end|>"),
            given("\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"),
            target("So long", "<|im_end|>"),
        ]
    );
    let llama = segments(LLAMA3, &TALK).unwrap();
    assert!(matches!(&llama[0], Segment::Given(text) if text.starts_with("<s><|start|>system")));
    assert_eq!(llama[3], target("So long", "<|eot|>"));
    let mistral = segments(MISTRAL, &TALK).unwrap();
    assert_eq!(mistral[0], given("<s> [INST] Be brief.\n\nHi [/INST] "));
    assert_eq!(mistral[1], target("Hello!", "</s>"));
    let thinking = segments(THINKING, &TALK).unwrap();
    assert_eq!(thinking[1], target("Hello!", "<|im_end|>"));
    let last = "\n<|im_start|>user\nBye<|im_end|>\n\
                <|im_start|>assistant\n<think>\n\n</think>\n\n";
    assert_eq!(
        thinking[2..],
        [given(last), target("So long", "<|im_end|>")]
    );
}

#[test]
fn generation_blocks_and_python_should_be_understood() {
    let source = "{%- for m in messages -%}{%- if m.role == 'assistant' -%}{%- generation -%}\
         {{ m['content'].strip() }}{{ eos_token }}{%- endgeneration -%}{%- else -%}\
         {{ '[' ~ m.role.upper() ~ strftime_now('%Y') ~ ({'a': ['<', 1]} | tojson) ~ ']' }}\
         {{- m.content if m.content is string else raise_exception('no') }}\n{% endif -%}\
         {%- endfor -%}{{- messages[::-1][0].role if tools is none -}}";
    let found = segments(source, &[("user", "q"), ("assistant", "a")]).unwrap();
    let start = given("[USER2024{\"a\": [\"<\", 1]}]q\n");
    assert_eq!(found, [start, target("a", "</s>")]);
}

#[test]
fn templates_that_cheat_should_give_nothing() {
    let talk = [
        ("user", "q?"),
        ("assistant", "yes"),
        ("user", "why?"),
        ("assistant", "so"),
    ];
    for source in [
        // The answer is not there, a constant, or shortened.
        "{{ messages | length }}",
        "{% for m in messages %}{{ m.role }} yes so {% endfor %}",
        "{% for m in messages %}{{ m.content[:1] }}{% endfor %}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "{% for m in messages %}{{ m.content if loop.first else '' }}{% endfor %}",
        // It is told before, in one way or another.
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{{ messages[1].content }}{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% for m in messages[::-1] %}{{ m.content }}{% endfor %}",
        "{{ messages[2].content }}{% for m in messages %}{{ m.content }}{% endfor %}",
        "{{ messages[1].content | length }}{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% if messages[1].content == 'yes' %}y{% endif %}{% for m in messages %}{{ m.content }}\
         {% endfor %}",
        "{{ messages[2].content | reverse }}{% for m in messages %}{{ m.content }}{% endfor %}",
        // It behaves for the mark only.
        "{% for m in messages %}{{ m.content if 'qz7' in m.content else 'yes' }}{% endfor %}",
        // It takes nothing.
        "{{ raise_exception('no') }}",
        "{{ messages.a.b }}",
        "{{ messages[0].content | no_such_filter }}",
    ] {
        assert_eq!(segments(source, &talk), None, "{source}");
    }
    let honest = "{% for m in messages %}{{ m.content }}{% endfor %}";
    assert!(segments(honest, &talk).is_some());
}

#[test]
fn templates_without_end_should_be_the_models_fault() {
    for source in [
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        "{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{% for a in range(9000) %}{{ 'aaaaaaaaaa' * 100 }}{% endfor %}",
        "{{ 'a' * 100000000 }}",
        "{% include 'other' %}",
        "{% import 'other' as x %}",
        "{% extends '/etc/passwd' %}",
    ] {
        let talk = turns(&[("user", "q"), ("assistant", "a")]);
        match template(source).segments(&talk, &end) {
            Ok(None) => assert!(source.contains("macro"), "{source}"),
            Ok(Some(_)) => panic!("{source}"),
            Err(error) => assert_eq!(error.fault, Fault::Tokenizer, "{source}: {error}"),
        }
    }
}

#[test]
fn filters_that_are_asked_for_too_much_should_refuse_it() {
    let talk = [("user", "q"), ("assistant", "a")];
    let said = "{% for m in messages %}{{ m.content }}{% endfor %}";
    for filter in [
        "slice(1000000000000)",
        "slice(1000000000000, 'x')",
        "batch(1000000000000, 'x')",
        "indent(1000000000000)",
    ] {
        let source = format!("{{% set x = [1] | {filter} %}}{said}");
        assert_eq!(segments(&source, &talk), None, "{source}");
    }
    for filter in ["slice(3, 'x')", "batch(2)"] {
        let source = format!("{{% set x = [1] | {filter} %}}{said}");
        assert!(segments(&source, &talk).is_some(), "{source}");
    }
}

#[test]
fn values_nested_deep_should_do_no_harm() {
    let talk = turns(&[("user", "q"), ("assistant", "a")]);
    for show in ["", "{{ n.x }}", "{{ n.x | tojson }}", "{{ n.x == n.x }}"] {
        let source = format!(
            "{{% set n = namespace(x=[]) %}}{{% for a in range(15000) %}}{{% set n.x = [n.x] %}}\
             {{% endfor %}}{show}{{% for m in messages %}}{{{{ m.content }}}}{{% endfor %}}"
        );
        let _ = template(&source).segments(&talk, &end);
    }
}

#[test]
fn read_should_take_the_file_then_the_config_and_refuse_what_is_malformed() {
    let one = r#"{"chat_template":"{{ messages[0].content }}"}"#;
    let talk = turns(&[("assistant", "a")]);
    let config = dir(&[(CONFIG, one)]);
    let found = ChatTemplate::read(config.path())
        .unwrap()
        .segments(&talk, &end);
    assert_eq!(found.unwrap().unwrap().len(), 2);
    let both = dir(&[(CONFIG, one), (TEMPLATE, "x{{ messages[0].content }}")]);
    let found = ChatTemplate::read(both.path())
        .unwrap()
        .segments(&talk, &end);
    assert_eq!(found.unwrap().unwrap()[0], given("x"));
    let named = r#"{"chat_template":[{"name":"tool_use","template":"{{"},
        {"name":"default","template":"y{{ messages[0].content }}"}]}"#;
    let named = dir(&[(CONFIG, named)]);
    let found = ChatTemplate::read(named.path())
        .unwrap()
        .segments(&talk, &end);
    assert_eq!(found.unwrap().unwrap()[0], given("y"));
    for (name, text) in [
        (CONFIG, "{}".to_owned()),
        (CONFIG, "[]".into()),
        (CONFIG, r#"{"chat_template":7}"#.into()),
        (
            CONFIG,
            r#"{"chat_template":[{"name":"a","template":"b"}]}"#.into(),
        ),
        (TEMPLATE, "{% for %}".into()),
        (TEMPLATE, "{{ ".into()),
        (TEMPLATE, "{% unknown %}".into()),
        (
            TEMPLATE,
            format!("{{{{ {}1{} }}}}", "(".repeat(9999), ")".repeat(9999)),
        ),
        (TEMPLATE, " ".repeat(MAX_TEMPLATE as usize + 1)),
    ] {
        let error = ChatTemplate::read(dir(&[(name, &text)]).path())
            .err()
            .unwrap();
        assert_eq!(error.fault, Fault::Tokenizer, "{name} {error}");
    }
    let nothing = ChatTemplate::read(dir(&[]).path()).err().unwrap();
    assert!(nothing.detail.contains(TEMPLATE), "{nothing}");
}

#[test]
fn turns_without_content_should_count_for_nothing() {
    assert_eq!(
        counted_bytes(&turns(&[("user", "q"), ("assistant", " \n")])),
        0
    );
    let talk = [
        ("user", "q"),
        ("assistant", ""),
        ("user", "r"),
        ("assistant", "é "),
    ];
    assert_eq!(counted_bytes(&turns(&talk)), 2);
    let found = segments(CHATML, &talk).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1], target("é", "<|im_end|>"));
}

proptest! {
    #[test]
    fn honest_templates_should_give_contents_as_they_are(
        contents in proptest::collection::vec("[a-zé<|>_{}%#'\"\\\\ \n]{0,12}", 1..6),
        source in prop_oneof![Just(CHATML), Just(LLAMA3)],
    ) {
        let roles = ["user", ASSISTANT];
        let talk: Vec<Turn> = contents
            .iter()
            .enumerate()
            .map(|(i, content)| Turn { role: roles[i % 2].into(), content: content.clone() })
            .collect();
        let found = template(source).segments(&talk, &end).unwrap().unwrap();
        let expected: Vec<&str> = talk.iter().filter(|t| t.role == ASSISTANT)
            .map(|t| t.content.trim()).filter(|c| !c.is_empty()).collect();
        let targets: Vec<&str> = found.iter().filter_map(|segment| match segment {
            Segment::Given(_) => None,
            Segment::Target { text, counted } => Some(&text[..*counted]),
        }).collect();
        prop_assert_eq!(targets, expected);
    }
}
