//! What a person may ask for: everything that is held about them, and that it is erased.

use askama::Template;
use bytes::Bytes;
use http::Response;
use leadgate_crds::api::{Erasure, ErasureState, Export, NewErasure, Page, Person};
use serde_json::Value;

use crate::api::{Call, Clear, Failure, ask, encode};
use crate::frame::{Frame, Section, Visit};
use crate::pages::sure::Sure;
use crate::respond::{self, redirect};
use crate::show::{cut, json, when};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.privacy }}{% endblock %}
{% block main %}
<h1>{{ f.t.privacy }}</h1>
<p>{{ f.t.privacy_hint }}</p>
<form method="post" action="/console/{{ f.place }}/privacy" class="row">
<label>{{ f.t.email }}<input name="email" type="text" inputmode="email" autocapitalize="off" spellcheck="false" autocomplete="off"></label>
<label>{{ f.t.phone }}<input name="phone" type="tel" autocomplete="off"></label>
{% if f.rights.payloads %}<button class="main" name="action" value="export">{{ f.t.export }}</button>{% endif %}
{% if f.rights.erase() %}<label class="check"><input type="checkbox" name="suppress" value="yes"> {{ f.t.never_again }}</label>
<button class="danger" name="action" value="erase" data-confirm="{{ f.t.sure_erase }} {{ f.t.cannot_be_undone }}">{{ f.t.erase }}</button>{% endif %}
</form>
<p class="quiet">{{ f.t.is_recorded }}</p>
{% if f.rights.erase() %}<h2>{{ f.t.erasures }}</h2>
{% if erasures.is_empty() %}<p>{{ f.t.nothing_here }}</p>{% else %}
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.erasures }}"><table>
<thead><tr><th scope="col">{{ f.t.erasure }}</th><th scope="col">{{ f.t.state }}</th><th scope="col">{{ f.t.who }}</th><th scope="col">{{ f.t.when }}</th></tr></thead>
<tbody>{% for e in erasures %}<tr><td><a href="/console/{{ f.place }}/privacy/{{ e.id }}">{{ e.id }}</a></td><td>{{ f.t.erasure_state(e.state) }}</td><td>{{ e.by }}</td><td>{{ self::when(e.created_at) }}</td></tr>{% endfor %}</tbody>
</table></div>{% endif %}{% endif %}
{% endblock %}"#
)]
struct Asked {
    f: Frame,
    erasures: Vec<Erasure>,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.erasure }}{% endblock %}
{% block main %}
<h1>{{ f.t.erasure }} {{ e.id }}</h1>
<dl>
<dt>{{ f.t.state }}</dt><dd>{{ f.t.erasure_state(e.state) }}</dd>
<dt>{{ f.t.who }}</dt><dd>{{ e.by }}</dd>
<dt>{{ f.t.began }}</dt><dd>{{ self::when(e.created_at) }}</dd>
<dt>{{ f.t.last_step }}</dt><dd>{{ self::when(e.updated_at) }}</dd>
{% for count in e.leads %}<dt>{{ f.t.set(count.set) }}</dt><dd>{{ count.leads }}</dd>{% endfor %}
<dt>{{ f.t.ledger_entries }}</dt><dd>{{ e.entries }}</dd>
</dl>
{% if !e.missing.is_empty() %}<ul class="alerts">{% for missing in e.missing %}<li>{{ missing }}</li>{% endfor %}</ul>{% endif %}
{% if !e.records.is_empty() %}<h2>{{ f.t.crm_records }}</h2>
<ul>{% for of in e.records %}<li>{{ of.sink }}: {{ f.t.record }} {{ of.record }}. {{ f.t.record_erasure(of) }}{% if let Some(reason) = of.reason %} ({{ reason }}){% endif %}</li>{% endfor %}</ul>{% endif %}
{% if !e.remains.is_empty() %}<h2>{{ f.t.may_remain_in }}</h2>
<ul>{% for place in e.remains %}<li>{{ place }}</li>{% endfor %}</ul>{% endif %}
<p><a href="/console/{{ f.place }}/privacy">{{ f.t.back }}</a></p>
{% endblock %}"#
)]
struct OneErasure {
    f: Frame,
    e: Erasure,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.export }}{% endblock %}
{% block main %}
<h1>{{ f.t.export }}</h1>
<p class="note">{{ f.t.personal_data }}</p>
{% if !missing.is_empty() %}<ul class="alerts">{% for missing in missing %}<li>{{ missing }}</li>{% endfor %}</ul>{% endif %}
<dl><dt>{{ f.t.leads }}</dt><dd>{{ leads }}</dd><dt>{{ f.t.ledger_entries }}</dt><dd>{{ entries }}</dd></dl>
<pre tabindex="0">{{ body }}</pre>{% if is_cut %}<p class="quiet">{{ f.t.is_cut }}</p>{% endif %}
<form method="post" action="/console/{{ f.place }}/privacy" class="row">
<input type="hidden" name="email" value="{{ email }}"><input type="hidden" name="phone" value="{{ phone }}">
<button class="main" name="action" value="download">{{ f.t.download }}</button>
<a href="/console/{{ f.place }}/privacy">{{ f.t.back }}</a></form>
{% endblock %}"#
)]
struct Exported {
    f: Frame,
    missing: Vec<String>,
    leads: usize,
    entries: usize,
    body: String,
    is_cut: bool,
    email: String,
    phone: String,
}

pub(crate) async fn page(v: &Visit<'_>) -> Result<Response<Bytes>, Failure> {
    v.may(v.rights.payloads)?;
    let erasures = if v.rights.erase() {
        let found: Page<Erasure> = ask(v.api, &v.place, Call::get("/api/v1/privacy/erasures")).await?;
        found.items
    } else {
        Vec::new()
    };
    let f = v.frame(Section::Privacy);
    Ok(respond::page(200, &Asked { f, erasures }))
}

pub(crate) async fn erasure(v: &Visit<'_>, id: &str) -> Result<Response<Bytes>, Failure> {
    v.may(v.rights.erase())?;
    let path = format!("/api/v1/privacy/erasures/{}", encode(id));
    let e: Erasure = ask(v.api, &v.place, Call::get(path)).await?;
    let f = if e.state == ErasureState::Running {
        v.live(Section::Privacy)
    } else {
        v.frame(Section::Privacy)
    };
    Ok(respond::page(200, &OneErasure { f, e }))
}

/// Exports or erases.
pub(crate) async fn act(v: &Visit<'_>) -> Result<Response<Bytes>, Failure> {
    let person = Person {
        email: v.form.some("email"),
        phone: v.form.some("phone"),
    };
    match v.form.get("action") {
        "erase" => {
            v.may(v.rights.erase())?;
            erase(v, person).await
        }
        action @ ("export" | "download") => {
            let right = v.rights.clear().ok_or_else(|| Failure::new(403, v.t.no_right))?;
            export(v, &person, action == "download", right).await
        }
        _ => Err(Failure::new(400, v.t.not_found)),
    }
}

async fn erase(v: &Visit<'_>, person: Person) -> Result<Response<Bytes>, Failure> {
    if person.email.is_none() && person.phone.is_none() {
        return Err(Failure::new(400, v.t.name_a_person));
    }
    let suppress = v.form.get("suppress") == "yes";
    if v.form.get("confirm") != "yes" {
        let whom = [person.email, person.phone];
        let also = suppress.then(|| v.t.never_again.to_owned());
        let fields = ["email", "phone", "suppress", "action"]
            .map(|name| (name.to_owned(), v.form.get(name).to_owned()));
        let page = Sure {
            f: v.frame(Section::Privacy),
            question: v.t.sure_erase,
            whom: whom.into_iter().flatten().chain(also).collect(),
            count: None,
            sample: Vec::new(),
            is_final: true,
            action: format!("/console/{}/privacy", v.place),
            fields: fields
                .into_iter()
                .chain([("confirm".to_owned(), "yes".to_owned())])
                .collect(),
            button: v.t.erase,
            back: format!("/console/{}/privacy", v.place),
        };
        return Ok(respond::page(200, &page));
    }
    let call = Call::post("/api/v1/privacy/erasures").json(&NewErasure { person, suppress });
    let begun: Erasure = ask(v.api, &v.place, call).await?;
    Ok(redirect(&format!(
        "/console/{}/privacy/{}",
        v.place,
        encode(&begun.id)
    )))
}

/// Everything that is held. The receiver records who was shown it, but not of whom.
async fn export(
    v: &Visit<'_>,
    person: &Person,
    is_download: bool,
    _right: Clear,
) -> Result<Response<Bytes>, Failure> {
    let whole: Value = ask(
        v.api,
        &v.place,
        Call::post("/api/v1/privacy/exports").json(person),
    )
    .await?;
    if is_download {
        return Ok(respond::download("export.json", json(&whole)));
    }
    let (body, is_cut) = cut(json(&whole));
    let read: Export = serde_json::from_value(whole).map_err(|error| Failure::new(502, error.to_string()))?;
    let page = Exported {
        f: v.frame(Section::Privacy),
        leads: read.leads.len(),
        entries: read.entries.len(),
        missing: read.missing,
        body,
        is_cut,
        email: person.email.clone().unwrap_or_default(),
        phone: person.phone.clone().unwrap_or_default(),
    };
    Ok(respond::page(200, &page))
}
