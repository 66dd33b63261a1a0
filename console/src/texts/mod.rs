//! What the pages say. A language is a file; the compiler checks that it says everything.

mod de;
mod en;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;
use leadgate_crds::api::{
    ActKind, Action, CrmRecord, ErasureState, EventKind, JobState, LeftBecause, Outcome, RecordErasure, Set,
    State,
};
use leadgate_crds::reason::FailureClass;

/// The texts of a language.
pub(crate) struct Texts {
    pub(crate) accepted: &'static str,
    pub(crate) accepted_and_delivered: &'static str,
    pub(crate) admin_token_hint: &'static str,
    pub(crate) all_is_well: &'static str,
    pub(crate) all_leads: &'static str,
    pub(crate) all_namespaces: &'static str,
    pub(crate) all_that_fit: &'static str,
    pub(crate) among_them: &'static str,
    pub(crate) answer_of_crm: &'static str,
    pub(crate) any: &'static str,
    pub(crate) asked_last: &'static str,
    pub(crate) attempt: &'static str,
    pub(crate) attempts: &'static str,
    pub(crate) audit: &'static str,
    pub(crate) audit_hint: &'static str,
    pub(crate) audited_last: &'static str,
    pub(crate) back: &'static str,
    pub(crate) back_to_original: &'static str,
    pub(crate) bad_time: &'static str,
    pub(crate) began: &'static str,
    pub(crate) body: &'static str,
    pub(crate) by: &'static str,
    pub(crate) calls_a_minute: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) cancel_job: &'static str,
    pub(crate) candidates: &'static str,
    pub(crate) cannot_be_undone: &'static str,
    pub(crate) choose: &'static str,
    pub(crate) choose_some: &'static str,
    pub(crate) cluster_token_hint: &'static str,
    pub(crate) code: &'static str,
    pub(crate) complete_since: &'static str,
    pub(crate) copy_hint: &'static str,
    pub(crate) credentials: &'static str,
    pub(crate) curl_hint: &'static str,
    pub(crate) dead: &'static str,
    pub(crate) decide_hint: &'static str,
    pub(crate) delivered: &'static str,
    pub(crate) deliveries: &'static str,
    pub(crate) delivering: &'static str,
    pub(crate) discard: &'static str,
    pub(crate) done: &'static str,
    pub(crate) download: &'static str,
    pub(crate) duplicate_records: &'static str,
    pub(crate) duplicates: &'static str,
    pub(crate) edit_copy: &'static str,
    pub(crate) email: &'static str,
    pub(crate) erase: &'static str,
    pub(crate) crm_records: &'static str,
    pub(crate) erasure: &'static str,
    pub(crate) erasures: &'static str,
    pub(crate) expedite: &'static str,
    pub(crate) export: &'static str,
    pub(crate) figures: &'static str,
    pub(crate) filter: &'static str,
    pub(crate) foreign: &'static str,
    pub(crate) headers: &'static str,
    pub(crate) held: &'static str,
    pub(crate) how_often: &'static str,
    pub(crate) is_cut: &'static str,
    pub(crate) is_paused: &'static str,
    pub(crate) is_recorded: &'static str,
    pub(crate) job: &'static str,
    pub(crate) jobs: &'static str,
    pub(crate) jobs_hint: &'static str,
    pub(crate) kept_until: &'static str,
    pub(crate) last_day: &'static str,
    pub(crate) last_error: &'static str,
    pub(crate) last_hour: &'static str,
    pub(crate) last_lead: &'static str,
    pub(crate) last_leads: &'static str,
    pub(crate) last_step: &'static str,
    pub(crate) last_week: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) leads: &'static str,
    pub(crate) leads_a_call: &'static str,
    pub(crate) leads_that_fit: &'static str,
    pub(crate) ledger_entries: &'static str,
    pub(crate) left_as_they_were: &'static str,
    pub(crate) may_remain_in: &'static str,
    pub(crate) name_a_person: &'static str,
    pub(crate) namespaces: &'static str,
    pub(crate) navigation: &'static str,
    pub(crate) needs_you: &'static str,
    pub(crate) new_record: &'static str,
    pub(crate) no: &'static str,
    pub(crate) no_place: &'static str,
    pub(crate) no_right: &'static str,
    pub(crate) not_asked_yet: &'static str,
    pub(crate) not_found: &'static str,
    pub(crate) not_json: &'static str,
    pub(crate) not_possible_now: &'static str,
    pub(crate) nothing_here: &'static str,
    pub(crate) nothing_needs_you: &'static str,
    pub(crate) nothing_to_search: &'static str,
    pub(crate) objective: &'static str,
    pub(crate) of_one_person: &'static str,
    pub(crate) of_what: &'static str,
    pub(crate) older: &'static str,
    pub(crate) oldest_waits: &'static str,
    pub(crate) one_secret: &'static str,
    pub(crate) other_records: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) overtaken: &'static str,
    pub(crate) overview: &'static str,
    pub(crate) pause: &'static str,
    pub(crate) pause_for: &'static str,
    pub(crate) pause_refresh: &'static str,
    pub(crate) paused: &'static str,
    pub(crate) paused_until: &'static str,
    pub(crate) payload: &'static str,
    pub(crate) pending: &'static str,
    pub(crate) personal_data: &'static str,
    pub(crate) phone: &'static str,
    pub(crate) preflight: &'static str,
    pub(crate) preview: &'static str,
    pub(crate) privacy: &'static str,
    pub(crate) privacy_hint: &'static str,
    pub(crate) problem: &'static str,
    pub(crate) proofs: &'static str,
    pub(crate) properties_refused: &'static str,
    pub(crate) property: &'static str,
    pub(crate) query_of_url: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) rate_used: &'static str,
    pub(crate) reachable: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) received: &'static str,
    pub(crate) record: &'static str,
    pub(crate) refused_lately: &'static str,
    pub(crate) rejected: &'static str,
    pub(crate) rejection_rate: &'static str,
    pub(crate) replay: &'static str,
    pub(crate) result: &'static str,
    pub(crate) resume: &'static str,
    pub(crate) resume_refresh: &'static str,
    pub(crate) rotation_hint: &'static str,
    pub(crate) search_person: &'static str,
    pub(crate) secrets: &'static str,
    pub(crate) select_page: &'static str,
    pub(crate) send_copy: &'static str,
    pub(crate) send_to: &'static str,
    pub(crate) show_payload: &'static str,
    pub(crate) sign_in: &'static str,
    pub(crate) sign_out: &'static str,
    pub(crate) since: &'static str,
    pub(crate) since_start: &'static str,
    pub(crate) sink: &'static str,
    pub(crate) sinks: &'static str,
    pub(crate) skip: &'static str,
    pub(crate) speed_to_lead: &'static str,
    pub(crate) state: &'static str,
    pub(crate) story: &'static str,
    pub(crate) submission: &'static str,
    pub(crate) success_rate: &'static str,
    pub(crate) sure: &'static str,
    pub(crate) sure_discard: &'static str,
    pub(crate) sure_discard_all: &'static str,
    pub(crate) never_again: &'static str,
    pub(crate) sure_erase: &'static str,
    pub(crate) sure_pause: &'static str,
    pub(crate) sure_replay_all: &'static str,
    pub(crate) suspended_sink: &'static str,
    pub(crate) suspended_webhook: &'static str,
    pub(crate) this_record: &'static str,
    pub(crate) token: &'static str,
    pub(crate) token_refused: &'static str,
    pub(crate) too_slow: &'static str,
    pub(crate) trace: &'static str,
    pub(crate) try_hint: &'static str,
    pub(crate) try_it: &'static str,
    pub(crate) unauthorized: &'static str,
    pub(crate) unrouted: &'static str,
    pub(crate) until: &'static str,
    pub(crate) url_hint: &'static str,
    pub(crate) webhook: &'static str,
    pub(crate) webhooks: &'static str,
    pub(crate) what: &'static str,
    pub(crate) when: &'static str,
    pub(crate) who: &'static str,
    pub(crate) would_be_accepted: &'static str,
    pub(crate) would_become: &'static str,
    pub(crate) would_not_be_accepted: &'static str,
    pub(crate) yes: &'static str,
    pub(crate) bad_filter: &'static str,
    pub(crate) bad_number: &'static str,
    pub(crate) hidden_filter: &'static str,
    pub(crate) only_newest: &'static str,
    pub(crate) suspended: &'static str,
    pub(crate) to_sink: &'static str,
    pub(crate) no_filter: &'static str,
    of_act: fn(ActKind) -> &'static str,
    of_action: fn(Action) -> &'static str,
    of_erasure_state: fn(ErasureState) -> &'static str,
    of_event: fn(EventKind) -> &'static str,
    of_job_state: fn(JobState) -> &'static str,
    of_left: fn(Option<LeftBecause>) -> &'static str,
    of_outcome_of: fn(Outcome) -> &'static str,
    of_record_erasure: fn(RecordErasure) -> &'static str,
    of_remedy: fn(FailureClass) -> &'static str,
    of_set: fn(Set) -> &'static str,
    of_state_of: fn(State) -> &'static str,
    of_what_to_do: fn(Set) -> &'static str,
    /// What a receiver says, in this language; `None`: as it says it.
    of_words: fn(&str) -> Option<&'static str>,
}

impl Texts {
    pub(crate) fn act(&self, of: impl std::borrow::Borrow<ActKind>) -> &'static str {
        (self.of_act)(*of.borrow())
    }

    pub(crate) fn action(&self, of: impl std::borrow::Borrow<Action>) -> &'static str {
        (self.of_action)(*of.borrow())
    }

    /// What became of a CRM record, and what is to be done about it.
    pub(crate) fn record_erasure(&self, of: &CrmRecord) -> &'static str {
        match of.erasure {
            RecordErasure::Skipped => (self.of_left)(of.left()),
            erasure => (self.of_record_erasure)(erasure),
        }
    }

    pub(crate) fn erasure_state(&self, of: impl std::borrow::Borrow<ErasureState>) -> &'static str {
        (self.of_erasure_state)(*of.borrow())
    }

    pub(crate) fn event(&self, of: impl std::borrow::Borrow<EventKind>) -> &'static str {
        (self.of_event)(*of.borrow())
    }

    pub(crate) fn job_state(&self, of: impl std::borrow::Borrow<JobState>) -> &'static str {
        (self.of_job_state)(*of.borrow())
    }

    pub(crate) fn outcome_of(&self, of: impl std::borrow::Borrow<Outcome>) -> &'static str {
        (self.of_outcome_of)(*of.borrow())
    }

    pub(crate) fn remedy(&self, of: impl std::borrow::Borrow<FailureClass>) -> &'static str {
        (self.of_remedy)(*of.borrow())
    }

    pub(crate) fn set(&self, of: impl std::borrow::Borrow<Set>) -> &'static str {
        (self.of_set)(*of.borrow())
    }

    pub(crate) fn state_of(&self, of: impl std::borrow::Borrow<State>) -> &'static str {
        (self.of_state_of)(*of.borrow())
    }

    pub(crate) fn what_to_do(&self, of: impl std::borrow::Borrow<Set>) -> &'static str {
        (self.of_what_to_do)(*of.borrow())
    }

    /// What a receiver says, in this language as far as it is known in it.
    pub(crate) fn words<'a>(&self, told: &'a str) -> &'a str {
        (self.of_words)(told).unwrap_or(told)
    }
}

/// The language that the browser asks for first, of those that there are; English if it asks for none of them.
pub(crate) fn of(headers: &HeaderMap) -> &'static Texts {
    let asked = headers.get(ACCEPT_LANGUAGE).and_then(|asked| asked.to_str().ok());
    let mut languages = asked.unwrap_or_default().split(',').map(str::trim);
    let known = |language: &str| {
        [&en::TEXTS, &de::TEXTS]
            .into_iter()
            .find(|texts| language.starts_with(texts.code))
    };
    languages.find_map(known).unwrap_or(&en::TEXTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_chooses_the_language() {
        for (asked, code) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("fr, de;q=0.5", "de"),
            ("en-GB,de", "en"),
            ("ja", "en"),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, asked.parse().unwrap())]);
            assert_eq!(of(&headers).code, code, "{asked}");
        }
    }

    #[test]
    fn what_receivers_say_most_is_said_in_each_language() {
        for told in leadgate_crds::words::ALL {
            assert_eq!(en::TEXTS.words(told), told);
            assert_ne!(de::TEXTS.words(told), told);
        }
        assert_eq!(
            de::TEXTS.words("the manifests are broken"),
            "the manifests are broken"
        );
    }

    #[test]
    fn only_a_record_whose_sink_does_not_ask_for_it_is_said_to_be_left_for_that() {
        for (t, word) in [(&en::TEXTS, "privacy.crm"), (&de::TEXTS, "privacy.crm")] {
            let told = |reason: &str| {
                t.record_erasure(&CrmRecord {
                    sink: "default/crm".to_owned(),
                    record: "1001".to_owned(),
                    erasure: RecordErasure::Skipped,
                    reason: Some(reason.to_owned()),
                })
            };
            let reasons = LeftBecause::ALL.map(LeftBecause::as_str);
            for reason in reasons.into_iter().chain(["OfALaterVersion"]) {
                assert_eq!(
                    told(reason).contains(word),
                    reason == "NotAskedFor",
                    "{}",
                    told(reason)
                );
            }
        }
    }
}
