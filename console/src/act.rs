//! What forms do. Each right is asked here, whatever buttons the page had.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Response};
use leadgate_crds::api::{Action, Job, LeadFilter, NewJob, Pause};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::api::{Call, Failure, ask, encode};
use crate::form::query;
use crate::frame::{Section, Visit};
use crate::model::{set_name, set_of};
use crate::pages::result::Acted;
use crate::pages::sure::Sure;
use crate::respond::{self, redirect};
use crate::show::fit;

/// What can be done with leads one by one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Replay,
    Discard,
    Expedite,
}

/// Acts on the leads that were chosen, or on all that the filter shows.
pub(crate) async fn on_leads(v: &Visit<'_>) -> Result<Response<Bytes>, Failure> {
    if let Some(picked) = v.form.some("pick") {
        return decide(v, &picked).await;
    }
    let deed = match v.form.get("action") {
        "replay" => Deed::Replay,
        "discard" => Deed::Discard,
        "expedite" => Deed::Expedite,
        _ => return Err(Failure::new(400, v.t.not_found)),
    };
    v.may(if deed == Deed::Discard {
        v.rights.delete
    } else {
        v.rights.update
    })?;
    if v.form.get("scope") == "all" && deed != Deed::Expedite {
        return on_filter(v, deed).await;
    }
    let ids: Vec<(&str, &str)> = v
        .form
        .all("id")
        .map(|id| id.split_once(' ').unwrap_or((id, "")))
        .collect();
    if ids.is_empty() {
        return Err(Failure::new(400, v.t.choose_some));
    }
    if deed == Deed::Discard && v.form.get("confirm") != "yes" {
        return Ok(ask_before_discard(v, &ids));
    }
    let mut left = Vec::new();
    for (id, sink) in &ids {
        if let Err(failure) = on_lead(v, deed, id, sink, &Choice::of(v)).await {
            left.push(((*id).to_owned(), failure.detail));
        }
    }
    let done = ids.len() - left.len();
    let back = match ids.as_slice() {
        [(id, _)] if v.form.get("from") == "lead" => format!("/console/{}/leads/{}", v.place, encode(id)),
        _ => back(v, done),
    };
    if left.is_empty() {
        return Ok(redirect(&back));
    }
    let f = v.frame(Section::Needs);
    Ok(respond::page(200, &Acted { f, done, left, back }))
}

/// Which record a held lead belongs to, in the words of the API; empty: nobody decided.
struct Choice<'a> {
    record: &'a str,
    create: &'a str,
}

impl<'a> Choice<'a> {
    fn of(v: &'a Visit<'_>) -> Self {
        Self {
            record: v.form.get("record"),
            create: v.form.get("create"),
        }
    }
}

/// Decides about a held lead, from the list: `ID SINK RECORD`, or `ID SINK` for a new record.
async fn decide(v: &Visit<'_>, picked: &str) -> Result<Response<Bytes>, Failure> {
    v.may(v.rights.update)?;
    let mut parts = picked.splitn(3, ' ');
    let [id, sink, record] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let create = if record.is_empty() { "true" } else { "" };
    on_lead(v, Deed::Replay, id, sink, &Choice { record, create }).await?;
    Ok(redirect(&back(v, 1)))
}

async fn on_lead(
    v: &Visit<'_>,
    deed: Deed,
    id: &str,
    sink: &str,
    choice: &Choice<'_>,
) -> Result<(), Failure> {
    let id = encode(id);
    let call = match deed {
        Deed::Replay => Call::post(format!("/api/v1/leads/{id}/replay")),
        Deed::Discard => Call::new(Method::DELETE, format!("/api/v1/leads/{id}")),
        Deed::Expedite => Call::post(format!("/api/v1/leads/{id}/expedite")),
    };
    let call = call.query("set", v.form.get("set")).query("sink", sink);
    let call = call.query("record", choice.record).query("create", choice.create);
    let answer: Value = ask(v.api, &v.place, call).await?;
    let items = answer.get("items").and_then(Value::as_array);
    let kept = items
        .into_iter()
        .flatten()
        .find(|item| item.get("replayed") == Some(&Value::Bool(false)));
    match kept {
        Some(item) => {
            let why = item.get("reason").and_then(Value::as_str);
            Err(Failure::new(409, why.unwrap_or(v.t.not_possible_now)))
        }
        None => Ok(()),
    }
}

fn ask_before_discard(v: &Visit<'_>, ids: &[(&str, &str)]) -> Response<Bytes> {
    let mut fields: Vec<(String, String)> = ["set", "webhook", "sink", "reason", "action", "from"]
        .iter()
        .map(|name| ((*name).to_owned(), v.form.get(name).to_owned()))
        .collect();
    fields.extend(v.form.all("id").map(|id| ("id".to_owned(), id.to_owned())));
    fields.push(("confirm".to_owned(), "yes".to_owned()));
    let page = Sure {
        f: v.frame(Section::Needs),
        question: v.t.sure_discard,
        whom: Vec::new(),
        count: u64::try_from(ids.len()).ok(),
        sample: ids.iter().take(10).map(|(id, _)| (*id).to_owned()).collect(),
        is_final: true,
        action: format!("/console/{}/act", v.place),
        fields,
        button: v.t.discard,
        back: back(v, 0),
    };
    respond::page(200, &page)
}

/// Counts what the filter means, and asks; then begins a job.
async fn on_filter(v: &Visit<'_>, deed: Deed) -> Result<Response<Bytes>, Failure> {
    let set = set_of(v.form.get("set")).ok_or_else(|| Failure::new(400, v.t.not_found))?;
    let (action, question, button) = match deed {
        Deed::Discard => (Action::Discard, v.t.sure_discard_all, v.t.discard),
        Deed::Replay | Deed::Expedite => (Action::Replay, v.t.sure_replay_all, v.t.replay),
    };
    let is_confirmed = v.form.get("confirm") == "all";
    let work = NewJob {
        action,
        set,
        filter: LeadFilter {
            webhook: v.form.some("webhook"),
            sink: v.form.some("sink"),
            reason: v.form.some("reason"),
            ..LeadFilter::default()
        },
        to: None,
        share: None,
        force: false,
        dry_run: !is_confirmed,
    };
    let call = Call::post("/api/v1/jobs").json(&work).key(v.form.get("key"));
    let job: Job = ask(v.api, &v.place, call).await?;
    if is_confirmed {
        return Ok(redirect(&format!(
            "/console/{}/jobs/{}",
            v.place,
            encode(&job.id)
        )));
    }
    let mut fields: Vec<(String, String)> = ["set", "webhook", "sink", "reason", "action", "scope"]
        .iter()
        .map(|name| ((*name).to_owned(), v.form.get(name).to_owned()))
        .collect();
    fields.push(("confirm".to_owned(), "all".to_owned()));
    fields.push(("key".to_owned(), form_key(v)));
    let page = Sure {
        f: v.frame(Section::Needs),
        question,
        whom: Vec::new(),
        count: Some(job.done),
        sample: job.sample,
        is_final: action == Action::Discard,
        action: format!("/console/{}/act", v.place),
        fields,
        button,
        back: back(v, 0),
    };
    Ok(respond::page(200, &page))
}

/// Of a form that begins a job: sent twice, it begins one.
fn form_key(v: &Visit<'_>) -> String {
    let now = jiff::Timestamp::now().as_nanosecond();
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{now} {}", v.api.who())))
}

/// The list that the form came from.
fn back(v: &Visit<'_>, done: usize) -> String {
    let set = set_of(v.form.get("set")).map_or("dead", set_name);
    let done = if done > 0 { done.to_string() } else { String::new() };
    let query = query(&[
        ("webhook", v.form.get("webhook")),
        ("sink", v.form.get("sink")),
        ("reason", v.form.get("reason")),
        ("done", &done),
    ]);
    fit(format!("/console/{}/needs/{set}{query}", v.place))
}

/// Pauses or resumes a sink.
pub(crate) async fn on_sink(v: &Visit<'_>, namespace: &str, name: &str) -> Result<Response<Bytes>, Failure> {
    v.may(v.rights.pause)?;
    let sink = format!("{}/{}", encode(namespace), encode(name));
    let call = match v.form.get("action") {
        "pause" => {
            let typed = v.form.some("seconds").map(|typed| typed.parse());
            let seconds = typed.transpose().map_err(|_| Failure::new(400, v.t.bad_number))?;
            Call::post(format!("/api/v1/sinks/{sink}/pause")).json(&Pause { seconds })
        }
        "resume" => Call::post(format!("/api/v1/sinks/{sink}/resume")),
        _ => return Err(Failure::new(400, v.t.not_found)),
    };
    let _: Value = ask(v.api, &v.place, call).await?;
    Ok(redirect(&format!("/console/{}/sinks/{sink}", v.place)))
}

/// Cancels a job.
pub(crate) async fn on_job(v: &Visit<'_>, id: &str) -> Result<Response<Bytes>, Failure> {
    v.may(v.rights.update)?;
    let id = encode(id);
    let _: Value = ask(
        v.api,
        &v.place,
        Call::new(Method::DELETE, format!("/api/v1/jobs/{id}")),
    )
    .await?;
    Ok(redirect(&format!("/console/{}/jobs/{id}", v.place)))
}
