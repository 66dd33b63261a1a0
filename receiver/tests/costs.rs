//! What an evaluation may cost, whatever the expression and the body: expressions made to be expensive, over bodies made
//! for them, with an allocator that knows what they really took. A program of its own: the allocator counts all threads.

#[allow(dead_code)]
#[path = "fuzz/choices.rs"]
mod choices;

use std::time::{Duration, Instant};

use choices::Choices;
use leadgate_receiver::expression::{Names, Program, Scope};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The promise of docs/expressions.md.
const MEGABYTES: usize = 64;
/// Longer than any evaluation may take, in an unoptimised build on a busy machine. A hang takes minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// An expression that gives a list, a text, a number or a truth, as expensive as chance makes it.
struct Maker<'c, 'b> {
    choices: &'c mut Choices<'b>,
    loops: usize,
    left: usize,
}

impl Maker<'_, '_> {
    fn spend(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    fn local(&self, or: &str) -> String {
        match self.loops {
            0 => or.to_owned(),
            n => format!("v{}", n - 1),
        }
    }

    fn looped(&mut self, list: &str, name: &str, body: fn(&mut Self) -> String) -> String {
        let variable = format!("v{}", self.loops);
        self.loops += 1;
        let body = body(self);
        self.loops -= 1;
        format!("{list}.{name}({variable}, {body})")
    }

    fn list(&mut self) -> String {
        const PLAIN: &[&str] = &[
            "payload.n",
            "payload.words",
            "payload.objects",
            "payload.lists",
            "payload.keys",
        ];
        if !self.spend() {
            return (*self.choices.of(PLAIN)).to_owned();
        }
        match self.choices.below(14) {
            0 => format!("{}.split({})", self.text(), self.text()),
            1 => format!("({} + {})", self.list(), self.list()),
            2 => format!("lists.range({})", self.number()),
            3 => format!("{}.flatten()", self.list()),
            4 => format!("{}.distinct()", self.list()),
            5 => format!("{}.sort()", self.list()),
            6 => format!("{}.reverse()", self.list()),
            7 => format!("[{0}, {0}, {0}, {0}]", self.any()),
            8 | 9 if self.loops < 2 => {
                let list = self.list();
                self.looped(&list, "map", Self::any)
            }
            10 if self.loops < 2 => {
                let list = self.list();
                self.looped(&list, "filter", Self::truth)
            }
            11 if self.loops < 2 => {
                let list = self.list();
                self.looped(&list, "sortBy", Self::any)
            }
            12 => format!("parseJson({})", self.text()),
            _ => (*self.choices.of(PLAIN)).to_owned(),
        }
    }

    fn text(&mut self) -> String {
        const PLAIN: &[&str] = &[
            "payload.s",
            "payload.big",
            "payload.json",
            "payload.html",
            "payload.base64",
            "''",
            "'a'",
            "','",
        ];
        if !self.spend() {
            return self.local("payload.big");
        }
        match self.choices.below(16) {
            0 => format!("({} + {})", self.text(), self.text()),
            1 => format!("{}.replace({}, {})", self.text(), self.text(), self.text()),
            2 => format!("{}.join({})", self.list(), self.text()),
            3 => format!("{}.map(x, string(x)).join({})", self.list(), self.text()),
            4 => format!("'%s%s %s'.format([{0}, {0}, {1}])", self.any(), self.text()),
            5 => format!("{}.upper()", self.text()),
            6 => format!("urlencode({})", self.text()),
            7 => format!("unescapeHtml({})", self.text()),
            8 => format!("base64.encode({})", self.text()),
            9 => format!("string(base64.decode({}))", self.text()),
            10 => format!("{}.substring({})", self.text(), self.number()),
            11 => format!("{}.reverse()", self.text()),
            12 => self.local("payload.s"),
            13 => format!("text({})", self.any()),
            _ => (*self.choices.of(PLAIN)).to_owned(),
        }
    }

    fn number(&mut self) -> String {
        if !self.spend() {
            return "100000".to_owned();
        }
        match self.choices.below(5) {
            0 => format!("size({})", self.any()),
            1 => format!("{}.indexOf({})", self.text(), self.text()),
            2 => self.local("3"),
            _ => (*self.choices.of(&["0", "1", "1000", "100000", "1000000"])).to_owned(),
        }
    }

    fn truth(&mut self) -> String {
        if !self.spend() {
            return "false".to_owned();
        }
        match self.choices.below(9) {
            0 => format!("{} == {}", self.any(), self.any()),
            1 => format!("({} in {})", self.any(), self.list()),
            2 => format!("{}.contains({})", self.text(), self.text()),
            3 => format!("{}.matches('(a+|[b-z]{{1,20}})+$')", self.text()),
            4 => format!("{}.matches({})", self.text(), self.text()),
            5 if self.loops < 2 => {
                let list = self.list();
                self.looped(&list, "exists", Self::truth)
            }
            6 if self.loops < 2 => {
                let list = self.list();
                self.looped(&list, "all", Self::truth)
            }
            7 => format!("({} && false)", self.truth()),
            _ => format!("{} < {}", self.text(), self.text()),
        }
    }

    fn any(&mut self) -> String {
        match self.choices.below(8) {
            0..=2 => self.list(),
            3..=4 => self.text(),
            5 => self.number(),
            6 => format!("{{'a': {0}, 'b': {0}}}", self.local("payload")),
            _ => self.local("payload"),
        }
    }
}

/// Bodies of about a megabyte, each of another expensive kind.
fn body() -> Value {
    json!({
        "s": "x,".repeat(250_000), "big": "a".repeat(900_000), "n": (0..150_000).collect::<Vec<_>>(),
        "words": vec!["word"; 100_000], "objects": vec![json!({"a": 0}); 100_000], "lists": vec![json!([0]); 200_000],
        "json": format!("[{}0]", "[0],".repeat(200_000)), "html": "&amp;".repeat(200_000), "base64": "QUFB".repeat(200_000),
        "keys": (0..60_000).map(|n| (format!("key{n}"), json!(n))).collect::<serde_json::Map<_, _>>(),
    })
}

#[test]
fn no_expression_takes_more_memory_than_promised_or_hangs() {
    let payload = body();
    let mut evaluated = 0_usize;
    bolero::check!().with_max_len(256).for_each(|bytes: &[u8]| {
        let mut choices = Choices::new(bytes);
        let mut maker = Maker {
            choices: &mut choices,
            loops: 0,
            left: 24,
        };
        let source = maker.any();
        let Ok(program) = Program::compile(&source, &Names::ALL) else {
            return;
        };
        let scope = Scope::new().with("payload", &payload);
        let (before, began) = (MEMORY.current_usage(), Instant::now());
        MEMORY.reset_peak_usage();
        let given = program.evaluate(&scope);
        let (peak, took) = (MEMORY.peak_usage().saturating_sub(before), began.elapsed());
        assert!(peak <= MEGABYTES << 20, "{source} took {} MB", peak >> 20);
        assert!(took < PATIENCE, "{source} took {took:?}");
        evaluated += usize::from(given.is_ok());
    });
    assert!(evaluated > 0, "no expression gave anything");
}
