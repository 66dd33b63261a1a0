//! Many writes in as few calls as work: in collections, in smaller ones where those fail, and one by one where there are none.

use super::Salesforce;
use super::answer::{Answer, unknown_field};
use super::batch::{self, Write};
use crate::crm::Throttle;
use crate::outbound::NoAnswer;

/// Writes that are tried together.
struct Part {
    writes: Vec<Write>,
    /// The call that failed as a whole and that this is a half of, by its place in [`Round::halved`].
    half_of: Option<usize>,
}

/// What is under way of writes that were meant to share one call.
#[derive(Default)]
struct Round {
    /// What is left to try, the next one last.
    parts: Vec<Part>,
    /// Sizes of calls in which each record failed, and how many of their halves passed.
    halved: Vec<(usize, usize)>,
    /// Why calls with several records were refused.
    refused: Option<String>,
    /// Whether another one was not.
    together: bool,
    /// Of single calls since: how many passed, and how many were refused in the same way.
    passed: usize,
    failed: usize,
}

impl Round {
    fn push(&mut self, writes: Vec<Write>, half_of: Option<usize>) {
        self.parts.push(Part { writes, half_of });
    }

    /// The two halves next, the first one first.
    fn halve(&mut self, mut writes: Vec<Write>, half_of: Option<usize>) {
        let rest = writes.split_off(writes.len() / 2);
        self.push(rest, half_of);
        self.push(writes, half_of);
    }

    /// A part passed. Tells the size of the call that was too large, if that is why it failed: both of its halves pass,
    /// so none of the records is to blame.
    fn half_passed(&mut self, half_of: Option<usize>) -> Option<usize> {
        let (size, passed) = self.halved.get_mut(half_of?)?;
        *passed += 1;
        (*passed == 2).then_some(*size)
    }
}

impl Salesforce {
    /// One answer for each write.
    pub(super) async fn write(&self, writes: Vec<Write>, throttle: &dyn Throttle) -> Vec<(Write, Answer)> {
        let mut done = Vec::with_capacity(writes.len());
        let mut rest = writes;
        while !rest.is_empty() {
            let (now, later) = batch::next(rest, self.batching.size());
            rest = later;
            let mut round = Round::default();
            round.push(now, None);
            while let Some(Part { writes, half_of }) = round.parts.pop() {
                match writes.as_slice() {
                    [] => {}
                    [one] => {
                        let answer = self.api.write_one(one, throttle).await;
                        if let Answer::Done(_) = &answer
                            && let Some(size) = round.half_passed(half_of)
                        {
                            self.batching.too_large(size);
                        }
                        let stops = round.alone(&answer);
                        done.extend(writes.into_iter().map(|write| (write, answer.clone())));
                        if stops {
                            let unsent = round.parts.drain(..).flat_map(|part| part.writes);
                            done.extend(unsent.chain(rest.drain(..)).map(|write| (write, answer.clone())));
                        }
                    }
                    several => match self.api.write_collection(several, throttle).await {
                        Ok(answers) => self.sort(writes, answers, half_of, &mut round, &mut done),
                        Err(answer) => refused_together(writes, answer, &mut round, &mut done, self),
                    },
                }
            }
            if let (Some(why), false, 1.., 0) = (&round.refused, round.together, round.passed, round.failed) {
                self.batching.refuse("Salesforce", why);
            }
        }
        done
    }

    /// Takes a collection's results; what an organisation's automation refused goes again in smaller calls.
    fn sort(
        &self,
        writes: Vec<Write>,
        answers: Vec<Answer>,
        half_of: Option<usize>,
        round: &mut Round,
        done: &mut Vec<(Write, Answer)>,
    ) {
        let size = writes.len();
        round.together = true;
        if answers.iter().any(Answer::exceeds_limits) {
            self.batching.too_large(size);
        }
        let (again, settled): (Vec<_>, Vec<_>) = writes
            .into_iter()
            .zip(answers)
            .partition(|(_, answer)| answer.automation_failed());
        done.extend(settled);
        if again.is_empty() {
            self.batching.passed(size);
            if let Some(too_large) = round.half_passed(half_of) {
                self.batching.too_large(too_large);
            }
            return;
        }
        let whole = again.len() == size;
        let again: Vec<Write> = again.into_iter().map(|(write, _)| write).collect();
        if whole {
            round.halved.push((size, 0));
            let parent = round.halved.len() - 1;
            round.halve(again, Some(parent));
        } else {
            round.push(again, None);
        }
    }
}

impl Round {
    /// Takes note of a single call's answer. Whether it is true of all others too, so that they need not be tried.
    fn alone(&mut self, answer: &Answer) -> bool {
        match answer {
            Answer::Pause(..) | Answer::Expired(_) | Answer::None(NoAnswer::Throttled(_)) => true,
            Answer::Suspect { .. } => {
                self.failed += 1;
                !self.together && self.passed == 0 && self.failed > 1
            }
            Answer::Retry { .. } | Answer::None(_) => false,
            _ => {
                self.passed += 1;
                false
            }
        }
    }
}

/// A call as a whole was refused: some of the leads may be to blame, and must not stop the others; or there are no
/// collections here.
fn refused_together(
    writes: Vec<Write>,
    answer: Answer,
    round: &mut Round,
    done: &mut Vec<(Write, Answer)>,
    salesforce: &Salesforce,
) {
    match answer {
        Answer::Reject(_) | Answer::Refused(..) => {
            let (guilty, parts) = batch::guilty(writes, unknown_field(&answer));
            done.extend(guilty.into_iter().map(|write| (write, answer.clone())));
            for part in parts {
                round.push(part, None);
            }
        }
        Answer::Suspect { why, .. } => {
            round.refused = Some(why.message);
            round.halve(writes, None);
        }
        Answer::NotFound(why) => {
            round.refused = Some(why.message);
            for write in writes.into_iter().rev() {
                round.push(vec![write], None);
            }
        }
        answer => {
            if let Answer::None(no_answer) = &answer {
                salesforce.batching.unanswered(writes.len(), no_answer);
            }
            done.extend(writes.into_iter().map(|write| (write, answer.clone())));
        }
    }
}
