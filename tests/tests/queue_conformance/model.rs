//! What a queue does, without a store, without time: the measure for the real ones.
//!
//! Time is two words: what is due, and what is not for the length of a test.

mod figures;
mod throttle;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use leadgate_receiver::queue::*;
use throttle::Throttle;

type Line = (SinkId, Contact);

/// A queue of the simplest kind.
#[derive(Default)]
pub struct Model {
    /// The newest lead of each key, and those whose key it took over.
    dedupe: BTreeMap<DedupeKey, Vec<(LeadId, Content)>>,
    lines: BTreeMap<Line, VecDeque<Waiting>>,
    heads: BTreeMap<Line, Head>,
    records: BTreeMap<Line, String>,
    /// What each sink has delivered, and when the newest lead of each contact was accepted.
    delivered: BTreeSet<(SinkId, LeadId)>,
    newest: BTreeMap<Line, u64>,
    pub dead_letters: Vec<ModelDeadLetter>,
    pub unrouted: Vec<(Contact, Waiting)>,
    shares: BTreeMap<(SinkId, WebhookId), SinkShare>,
    webhooks: BTreeMap<WebhookId, WebhookStats>,
    throttles: BTreeMap<SinkId, Throttle>,
    calls: u64,
}

#[derive(Clone)]
pub struct Waiting {
    /// Which call accepted it: all of one call have the same time.
    age: u64,
    /// The age of the newest delivered lead of its contact, as far as it is known.
    newest: u64,
    pub id: LeadId,
    webhook: WebhookId,
    body: bytes::Bytes,
}

#[derive(Clone)]
struct Head {
    due: bool,
    tried: bool,
    token: Option<Token>,
    attempts: u32,
    in_doubt: bool,
    lost: u32,
}

const FRESH: Head = Head {
    due: true,
    tried: false,
    token: None,
    attempts: 0,
    in_doubt: false,
    lost: 0,
};

/// A lead that waits for a person.
pub struct ModelDeadLetter {
    pub set: DeadLetterSet,
    pub sink: SinkId,
    contact: Contact,
    attempts: u32,
    lead: Waiting,
}

impl ModelDeadLetter {
    pub fn id(&self) -> &LeadId {
        &self.lead.id
    }
}

impl Model {
    pub fn accept(&mut self, leads: &[NewLead]) -> Vec<Admission> {
        self.calls += 1;
        leads.iter().map(|lead| self.accept_one(lead)).collect()
    }

    fn accept_one(&mut self, lead: &NewLead) -> Admission {
        let holders = self.dedupe.entry(lead.dedupe.clone()).or_default();
        let counted = self.webhooks.entry(lead.webhook.clone()).or_default();
        if let Some((id, _)) = holders.iter().find(|(_, content)| content.is_like(&lead.content)) {
            if *id == lead.id {
                return Admission::Accepted;
            }
            counted.duplicates += 1;
            return Admission::Duplicate(id.clone());
        }
        let conflict = !holders.is_empty();
        holders.push((lead.id.clone(), lead.content));
        counted.accepted += 1;
        counted.key_conflicts += u64::from(conflict);
        if lead.sinks.is_empty() {
            counted.unrouted += 1;
            let waiting = Waiting {
                age: self.calls,
                newest: 0,
                id: lead.id.clone(),
                webhook: lead.webhook.clone(),
                body: lead.body.clone(),
            };
            self.unrouted.push((lead.contact.clone(), waiting));
        }
        for sink in lead.sinks.iter() {
            let waiting = Waiting {
                age: self.calls,
                newest: 0,
                id: lead.id.clone(),
                webhook: lead.webhook.clone(),
                body: lead.body.clone(),
            };
            self.share(sink, &lead.webhook).pending += 1;
            self.enqueue((sink.clone(), lead.contact.clone()), waiting);
        }
        if conflict {
            Admission::KeyConflict
        } else {
            Admission::Accepted
        }
    }

    fn enqueue(&mut self, line: Line, waiting: Waiting) {
        self.heads.entry(line.clone()).or_insert(FRESH);
        self.lines.entry(line).or_default().push_back(waiting);
    }

    /// Before the first that was accepted later and has not been tried.
    fn enqueue_by_age(&mut self, line: Line, waiting: Waiting) {
        let tried = self.heads.get(&line).is_some_and(|head| head.tried);
        self.heads.entry(line.clone()).or_insert(FRESH);
        let leads = self.lines.entry(line).or_default();
        let later = |(n, lead): (usize, &Waiting)| (lead.age > waiting.age && (n > 0 || !tried)).then_some(n);
        let at = leads.iter().enumerate().find_map(later).unwrap_or(leads.len());
        leads.insert(at, waiting);
    }

    /// All that waits: sink, contact, and how many are before it.
    pub fn waiting(&self) -> Vec<(SinkId, Contact, LeadId)> {
        let leads = self.lines.iter().flat_map(|((sink, contact), leads)| {
            let place = |lead: &Waiting| (sink.clone(), contact.clone(), lead.id.clone());
            leads.iter().map(place)
        });
        leads.collect()
    }

    /// Takes a lead out of its line, unless it is being delivered.
    fn take_out(&mut self, line: &Line, id: &LeadId) -> Option<Waiting> {
        let leads = self.lines.get_mut(line)?;
        let at = leads.iter().position(|lead| lead.id == *id)?;
        let head = &self.heads[line];
        if at == 0 && head.token.is_some() && !head.due {
            return None;
        }
        let lead = leads.remove(at)?;
        if at == 0 {
            self.next_head(line, lead.newest);
        }
        Some(lead)
    }

    fn next_head(&mut self, line: &Line, newest: u64) {
        let leads = self.lines.get_mut(line).expect("a line");
        if let Some(next) = leads.front_mut() {
            next.newest = next.newest.max(newest);
            self.heads.insert(line.clone(), FRESH);
        } else {
            self.lines.remove(line);
            self.heads.remove(line);
        }
    }

    pub fn discard_waiting(&mut self, sink: &SinkId, contact: &Contact, id: &LeadId) -> bool {
        let Some(lead) = self.take_out(&(sink.clone(), contact.clone()), id) else {
            return false;
        };
        let share = self.share(sink, &lead.webhook);
        share.pending -= 1;
        share.discarded += 1;
        true
    }

    pub fn expedite(&mut self, sink: &SinkId, contact: &Contact) -> bool {
        let head = self
            .heads
            .get_mut(&(sink.clone(), contact.clone()))
            .expect("it waits");
        if head.token.is_some() && !head.due {
            return false;
        }
        head.due = true;
        true
    }

    pub fn move_waiting(&mut self, sink: &SinkId, contact: &Contact, id: &LeadId, to: &SinkId) -> Requeued {
        let target = (to.clone(), contact.clone());
        let waits =
            |line: &Line, leads: &VecDeque<Waiting>| line.0 == *to && leads.iter().any(|lead| lead.id == *id);
        let is_known = self.delivered.contains(&(to.clone(), id.clone()))
            || self.lines.iter().any(|(line, leads)| waits(line, leads))
            || self
                .dead_letters
                .iter()
                .any(|dead| dead.sink == *to && dead.lead.id == *id);
        if is_known {
            return Requeued::Known;
        }
        let line = (sink.clone(), contact.clone());
        let age = self.lines[&line]
            .iter()
            .find(|lead| lead.id == *id)
            .map(|lead| lead.age);
        if self.newest.get(&target).copied() > age {
            return Requeued::Overtaken;
        }
        let Some(lead) = self.take_out(&line, id) else {
            return Requeued::Absent;
        };
        self.share(sink, &lead.webhook).pending -= 1;
        self.share(to, &lead.webhook).pending += 1;
        self.enqueue_by_age(target, Waiting { newest: 0, ..lead });
        Requeued::Done
    }

    /// Sends an unrouted lead to a sink.
    pub fn route(&mut self, at: usize, to: &SinkId) -> Requeued {
        let (contact, lead) = &self.unrouted[at];
        let newest = self.newest.get(&(to.clone(), contact.clone()));
        if newest.is_some_and(|newest| *newest > lead.age) {
            return Requeued::Overtaken;
        }
        let (contact, lead) = self.unrouted.remove(at);
        self.webhooks.entry(lead.webhook.clone()).or_default().unrouted -= 1;
        self.share(to, &lead.webhook).pending += 1;
        self.enqueue_by_age((to.clone(), contact), lead);
        Requeued::Done
    }

    fn share(&mut self, sink: &SinkId, webhook: &WebhookId) -> &mut SinkShare {
        self.shares.entry((sink.clone(), webhook.clone())).or_default()
    }

    /// How many contacts of a sink can be claimed.
    pub fn due(&self, sink: &SinkId) -> usize {
        self.heads
            .iter()
            .filter(|((of, _), head)| of == sink && head.due)
            .count()
    }

    /// Takes note of a claim, which must be one that could be made.
    pub fn claimed(&mut self, sink: &SinkId, claim: &Claim, comes_back: bool) {
        let line = (sink.clone(), claim.contact.clone());
        let first = self.lines[&line]
            .front()
            .expect("a claimed contact has a lead")
            .clone();
        let head = self.heads.get_mut(&line).expect("a claimed contact waits");
        assert!(head.due, "claimed, but not due");
        head.attempts += 1;
        head.in_doubt |= head.token.is_some();
        head.lost += u32::from(head.token.is_some());
        head.token = Some(claim.token);
        head.tried = true;
        head.due = comes_back;
        assert_eq!(
            (&claim.id, &claim.webhook, &claim.body),
            (&first.id, &first.webhook, &first.body)
        );
        assert_eq!(
            (
                claim.attempt,
                claim.in_doubt.is_some(),
                claim.lost,
                claim.overtaken
            ),
            (head.attempts, head.in_doubt, head.lost, first.newest > first.age)
        );
        assert_eq!(claim.record.as_ref(), self.records.get(&line));
    }

    fn holds(&self, line: &Line, token: Token) -> bool {
        self.heads.get(line).is_some_and(|head| head.token == Some(token))
    }

    pub fn renew(&mut self, sink: &SinkId, contact: &Contact, token: Token, comes_back: bool) -> bool {
        let line = (sink.clone(), contact.clone());
        let holds = self.holds(&line, token);
        if holds && let Some(head) = self.heads.get_mut(&line) {
            head.due = comes_back;
        }
        holds
    }

    /// `Retry` and `Release` are due at once if `after` is zero, else never.
    pub fn settle(&mut self, sink: &SinkId, settlement: &Settlement) -> Settled {
        let line = (sink.clone(), settlement.contact.clone());
        if !self.holds(&line, settlement.token) {
            return Settled::Stale;
        }
        let head = self.heads.get_mut(&line).expect("it is held");
        head.token = None;
        match &settlement.outcome {
            Disposition::Retry { after, in_doubt, .. } => {
                head.due = after.is_zero();
                head.lost = 0;
                head.in_doubt |= in_doubt;
            }
            Disposition::Release { after, .. } => {
                head.due = after.is_zero();
                head.attempts -= 1;
            }
            Disposition::Delivered { remember, .. } => {
                let (lead, _) = self.take_first(&line, true);
                let share = self.share(sink, &lead.webhook);
                share.pending -= 1;
                share.delivered += 1;
                self.delivered.insert((sink.clone(), lead.id.clone()));
                let newest = self.newest.entry(line.clone()).or_default();
                *newest = (*newest).max(lead.age).max(lead.newest);
                for dead_letter in &mut self.dead_letters {
                    if dead_letter.sink == line.0
                        && dead_letter.contact == line.1
                        && dead_letter.lead.age < lead.age
                    {
                        dead_letter.lead.newest = dead_letter.lead.newest.max(lead.age);
                    }
                }
                for (contact, unrouted) in &mut self.unrouted {
                    if *contact == line.1 && unrouted.age < lead.age {
                        unrouted.newest = unrouted.newest.max(lead.age);
                    }
                }
                if let Some((record, _)) = remember {
                    self.records.insert(line, record.clone());
                }
            }
            Disposition::Unwanted(_) => {
                let (lead, _) = self.take_first(&line, false);
                let share = self.share(sink, &lead.webhook);
                share.pending -= 1;
                share.discarded += 1;
            }
            Disposition::DeadLetter { set, .. } => {
                let (lead, attempts) = self.take_first(&line, false);
                let share = self.share(sink, &lead.webhook);
                share.pending -= 1;
                *in_set(share, *set) += 1;
                let (sink, contact) = line;
                self.dead_letters.push(ModelDeadLetter {
                    set: *set,
                    sink,
                    contact,
                    attempts,
                    lead,
                });
            }
        }
        Settled::Done
    }

    fn take_first(&mut self, line: &Line, delivered: bool) -> (Waiting, u32) {
        let waiting = self.lines.get_mut(line).expect("a held line");
        let lead = waiting.pop_front().expect("a held lead");
        let attempts = self.heads[line].attempts;
        self.next_head(
            line,
            if delivered {
                lead.newest.max(lead.age)
            } else {
                lead.newest
            },
        );
        (lead, attempts)
    }

    pub fn replay(&mut self, set: DeadLetterSet, sink: &SinkId, id: &LeadId) -> bool {
        let Some(dead_letter) = self.take_dead_letter(set, sink, id) else {
            return false;
        };
        self.share(sink, &dead_letter.lead.webhook).pending += 1;
        self.enqueue_by_age((dead_letter.sink, dead_letter.contact), dead_letter.lead);
        true
    }

    pub fn discard(&mut self, set: DeadLetterSet, sink: &SinkId, id: &LeadId) -> bool {
        let Some(dead_letter) = self.take_dead_letter(set, sink, id) else {
            return false;
        };
        self.share(sink, &dead_letter.lead.webhook).discarded += 1;
        true
    }

    fn take_dead_letter(
        &mut self,
        set: DeadLetterSet,
        sink: &SinkId,
        id: &LeadId,
    ) -> Option<ModelDeadLetter> {
        let is_it = |dead_letter: &ModelDeadLetter| {
            dead_letter.set == set && dead_letter.sink == *sink && dead_letter.lead.id == *id
        };
        let dead_letter = self
            .dead_letters
            .remove(self.dead_letters.iter().position(is_it)?);
        *in_set(self.share(sink, &dead_letter.lead.webhook), set) -= 1;
        Some(dead_letter)
    }
}

fn in_set(share: &mut SinkShare, set: DeadLetterSet) -> &mut u64 {
    if set == DeadLetterSet::Held {
        &mut share.held
    } else {
        &mut share.dead
    }
}
