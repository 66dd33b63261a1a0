//! German.

use leadgate_crds::api::{
    ActKind, Action, ErasureState, EventKind, JobState, LeftBecause, Outcome, RecordErasure, Set, State,
};
use leadgate_crds::reason::FailureClass;
use leadgate_crds::words;

use super::Texts;

pub(super) static TEXTS: Texts = Texts {
    accepted: "angenommen",
    accepted_and_delivered: "Angenommen und zugestellt",
    admin_token_hint: "Dieser Empfänger hat ein Admin-Token (--admin-token-file). Fügen Sie es ein, um sich für eine Stunde anzumelden.",
    all_is_well: "Nichts erfordert Aufmerksamkeit.",
    all_leads: "Alle Leads",
    all_namespaces: "Alle Namespaces",
    all_that_fit: "Alle, auf die der Filter zutrifft, auf allen Seiten",
    among_them: "Darunter",
    answer_of_crm: "Antwort des CRM",
    any: "beliebig",
    asked_last: "Zuletzt geprüft",
    attempt: "Versuch",
    attempts: "Versuche",
    audit: "Protokoll",
    audit_hint: "Was über die API und die Konsole getan wurde und wem personenbezogene Daten gezeigt wurden. Wird ein Jahr aufbewahrt.",
    audited_last: "Zuletzt geprüft",
    back: "Zurück",
    back_to_original: "Zurück zum Original: verwerfen Sie es, wenn es erledigt ist",
    bad_time: "Schreiben Sie die Zeit als 2026-11-26T00:00:00Z.",
    began: "Begonnen",
    body: "Inhalt",
    by: "von",
    calls_a_minute: "Aufrufe in der letzten Minute",
    cancel: "Abbrechen",
    cancel_job: "Auftrag abbrechen",
    candidates: "Mögliche Datensätze",
    cannot_be_undone: "Das kann nicht rückgängig gemacht werden.",
    choose: "Wählen",
    choose_some: "Wählen Sie mindestens einen Lead.",
    cluster_token_hint: "Fügen Sie ein Token des Clusters ein, zum Beispiel aus: kubectl create token NAME. Es gelten Ihre Kubernetes-Rechte. Die Sitzung endet nach einer Stunde.",
    code: "de",
    complete_since: "Vollständig seit",
    copy_hint: "Das Original bleibt, wie es ist. Die Kopie braucht keine Signatur.",
    credentials: "Zugangsdaten angenommen",
    curl_hint: "Eine unsignierte Anfrage wird mit 401 beantwortet. kubectl leadgate send signiert eine mit dem Secret des Webhooks.",
    dead: "Gescheitert",
    decide_hint: "Welcher Datensatz des CRM ist dieser Lead? Spätere Leads dieser Person folgen der Entscheidung.",
    delivered: "zugestellt",
    deliveries: "Zustellungen",
    delivering: "stellt zu",
    discard: "Verwerfen",
    done: "Erledigt",
    download: "Herunterladen",
    duplicate_records: "Doppelte Datensätze",
    duplicates: "Duplikate",
    edit_copy: "Eine Kopie bearbeiten",
    email: "E-Mail",
    erase: "Löschen",
    crm_records: "Datensätze in CRMs",
    erasure: "Löschung",
    erasures: "Löschungen",
    expedite: "Jetzt versuchen",
    export: "Exportieren",
    figures: "Zahlen",
    filter: "Filtern",
    foreign: "Änderungen werden nur von Seiten dieser Konsole angenommen.",
    headers: "Header, je Zeile einer, als Name: Wert",
    held: "Zurückgehalten",
    how_often: "Wie oft",
    is_cut: "Nur der Anfang wird gezeigt.",
    is_paused: "ist angehalten",
    is_recorded: "Es wird festgehalten, wem sie gezeigt wurden.",
    job: "Auftrag",
    jobs: "Aufträge",
    jobs_hint: "Aktionen auf vielen Leads. Ein Auftrag läuft weiter, wenn ein Empfänger neu startet.",
    kept_until: "Aufbewahrt bis",
    last_day: "Letzte 24 Stunden",
    last_error: "Letzter Fehler",
    last_hour: "Letzte Stunde",
    last_lead: "Letzter Lead",
    last_leads: "Letzte Leads",
    last_step: "Letzter Schritt",
    last_week: "Letzte 7 Tage",
    lead: "Lead",
    leads: "Leads",
    leads_a_call: "Leads je Aufruf",
    leads_that_fit: "Leads",
    ledger_entries: "Einträge des Verzeichnisses",
    left_as_they_were: "Unverändert gelassen",
    may_remain_in: "Es kann noch stehen in",
    name_a_person: "Geben Sie eine E-Mail-Adresse, eine Telefonnummer oder beides an.",
    namespaces: "Namespaces",
    navigation: "Seiten",
    needs_you: "Braucht Sie",
    new_record: "Ein neuer Datensatz",
    no: "nein",
    no_place: "Sie dürfen in keinem Namespace Leads sehen. Bitten Sie um die ClusterRole view oder um get auf leadwebhooks/leads (leadgate.dev).",
    no_right: "Sie haben hier kein Recht dazu.",
    not_asked_yet: "Noch nicht geprüft.",
    not_found: "Diese Seite gibt es nicht, oder ihr Gegenstand ist nicht mehr da.",
    not_json: "Der Inhalt ist kein gültiges JSON",
    not_possible_now: "jetzt nicht möglich: er wird gerade zugestellt oder ist nicht mehr da",
    nothing_here: "Hier ist nichts.",
    nothing_needs_you: "Hier wartet nichts auf Sie.",
    nothing_to_search: "Geben Sie eine E-Mail-Adresse, eine Telefonnummer oder eine Einsendung an.",
    objective: "Ziel (p99)",
    of_one_person: "Leads einer Suche. Wonach gesucht wurde, wird nicht gezeigt und ist Teil keiner URL.",
    of_what: "Woran",
    older: "Ältere",
    oldest_waits: "Ältester wartet seit",
    one_secret: "Ein Secret ist in Gebrauch.",
    other_records: "Weitere Datensätze der Person",
    outcome: "Ergebnis",
    overtaken: "Ein neuerer Lead dieser Person wurde inzwischen zugestellt.",
    overview: "Übersicht",
    pause: "Anhalten",
    pause_for: "Anhalten für",
    pause_refresh: "Aktualisierung anhalten",
    paused: "angehalten",
    paused_until: "Angehalten bis",
    payload: "Nutzdaten",
    pending: "Wartend",
    personal_data: "Personenbezogene Daten. Es ist festgehalten, dass sie Ihnen gezeigt wurden.",
    phone: "Telefonnummer",
    preflight: "Prüfung des CRM",
    preview: "Was würde daraus?",
    privacy: "Datenschutz",
    privacy_hint: "Alles, was über eine Person gespeichert ist, und wie es gelöscht wird: Leads, ihre Nutzdaten, und wer sie im Verzeichnis waren.",
    problem: "Das geht nicht",
    proofs: "Anfragen bestätigt",
    properties_refused: "Vom CRM abgelehnte Eigenschaften",
    property: "Eigenschaft",
    query_of_url: "Query der URL",
    queue: "Warteschlange",
    rate_used: "Ratenlimit genutzt",
    reachable: "Erreichbar",
    reason: "Grund",
    received: "Empfangen",
    record: "Datensatz",
    refused_lately: "Zuletzt abgelehnt",
    rejected: "Abgelehnt",
    rejection_rate: "Ablehnungsquote",
    replay: "Erneut zustellen",
    result: "Ergebnis",
    resume: "Fortsetzen",
    resume_refresh: "Aktualisierung fortsetzen",
    rotation_hint: "Ein Secret, dessen Zahl nach der Umstellung des Senders stillsteht, kann entfernt werden. Gezählt seit dem Start des Empfängers.",
    search_person: "Person suchen",
    secrets: "Secrets",
    select_page: "Diese Seite auswählen",
    send_copy: "Kopie senden",
    send_to: "Leads senden an",
    show_payload: "Nutzdaten zeigen",
    sign_in: "Anmelden",
    sign_out: "Abmelden",
    since: "seit",
    since_start: "seit dem Start",
    sink: "Ziel",
    sinks: "Ziele",
    skip: "Zum Inhalt springen",
    speed_to_lead: "Zeit bis zum CRM",
    state: "Zustand",
    story: "Was geschah",
    submission: "Einsendung",
    success_rate: "Erfolgsquote",
    sure: "Sind Sie sicher?",
    sure_discard: "Diese Leads verwerfen?",
    sure_discard_all: "Alle Leads verwerfen, auf die der Filter zutrifft?",
    never_again: "Spätere Leads dieser Person ablehnen",
    sure_erase: "Alles löschen, was über diese Person gespeichert ist?",
    sure_pause: "Alle Zustellungen dieses Ziels anhalten?",
    sure_replay_all: "Alle Leads erneut zustellen, auf die der Filter zutrifft?",
    suspended_sink: "Ausgesetzt (spec.suspend): Leads werden eingereiht und nicht zugestellt.",
    suspended_webhook: "Ausgesetzt (spec.suspend): Anfragen werden mit 503 beantwortet.",
    this_record: "Es ist dieser Datensatz",
    token: "Token",
    token_refused: "Das Token wurde abgelehnt.",
    too_slow: "das Ziel ist verfehlt, p99 ist",
    trace: "Trace",
    try_hint: "Fügen Sie ein, was ein Sender schickt. Nichts wird gespeichert oder gesendet. Ohne die Signatur des Senders schlägt die Authentifizierung fehl; der Rest wird trotzdem gezeigt.",
    try_it: "Ausprobieren",
    unauthorized: "Nicht autorisiert",
    unrouted: "Ohne Ziel",
    until: "bis",
    url_hint: "Fügen Sie diese URL beim Sender ein.",
    webhook: "Webhook",
    webhooks: "Webhooks",
    what: "Was",
    when: "Wann",
    who: "Wer",
    would_be_accepted: "Sie würde angenommen.",
    would_become: "Daraus würde",
    would_not_be_accepted: "So würde sie nicht angenommen.",
    yes: "ja",
    bad_filter: "Wählen Sie Ergebnis und Zustand aus den Listen.",
    bad_number: "Schreiben Sie die Zahl der Sekunden, zum Beispiel 3600.",
    hidden_filter: "angegeben, und nicht aufbewahrt",
    only_newest: "Nur die neuesten werden gezeigt; es gibt weitere.",
    suspended: "ausgesetzt",
    to_sink: "An das Ziel",
    no_filter: "alle Leads der Menge",
    of_act: |of| match of {
        ActKind::PayloadShown => "Nutzdaten gezeigt",
        ActKind::Exported => "Person exportiert",
        ActKind::Erased => "Person gelöscht",
        ActKind::SuppressionLifted => "Sperre aufgehoben",
        ActKind::Replayed => "Erneut zugestellt",
        ActKind::Discarded => "Verworfen",
        ActKind::Moved => "Verschoben",
        ActKind::Expedited => "Fällig gemacht",
        ActKind::JobCreated => "Auftrag begonnen",
        ActKind::JobCancelled => "Auftrag abgebrochen",
        ActKind::Imported => "Leads gesendet",
        ActKind::Compared => "Zuordnung verglichen",
        ActKind::Paused => "Ziel angehalten",
        ActKind::Resumed => "Ziel fortgesetzt",
    },
    of_action: |of| match of {
        Action::Replay => "Erneut zustellen",
        Action::Discard => "Verwerfen",
        Action::Move => "Verschieben",
        Action::Copy => "Kopieren",
    },
    of_erasure_state: |of| match of {
        ErasureState::Running => "Läuft",
        ErasureState::Completed => "Fertig",
        ErasureState::Incomplete => "Unvollständig: beheben Sie, was fehlt, und löschen Sie erneut",
    },
    of_event: |of| match of {
        EventKind::Received => "Empfangen",
        EventKind::Retried => "Gescheitert, wird wiederholt",
        EventKind::Delivered => "Zugestellt",
        EventKind::Held => "Zurückgehalten",
        EventKind::Dead => "Gescheitert",
        EventKind::Replayed => "Erneut zugestellt",
        EventKind::Moved => "Verschoben",
        EventKind::Copied => "Kopiert",
        EventKind::Discarded => "Verworfen",
        EventKind::Erased => "Gelöscht",
    },
    of_job_state: |of| match of {
        JobState::Running => "Läuft",
        JobState::Completed => "Fertig",
        JobState::Cancelled => "Abgebrochen",
    },
    of_left: |of| match of {
        Some(LeftBecause::NotAskedFor) => {
            "Nicht gelöscht: im Ziel steht nicht privacy.crm: Delete. Löschen Sie ihn auch dort"
        }
        Some(LeftBecause::FoundByNumber) => {
            "Nicht gelöscht: er kann einer anderen Person mit derselben Nummer gehören. Sehen Sie nach, wessen er ist, bevor Sie ihn dort löschen"
        }
        Some(LeftBecause::OnlyMentioned) => {
            "Nicht gelöscht: er gehört einer anderen Person, deren Lead diese nur erwähnt. Entfernen Sie dort, was er über diese Person sagt"
        }
        Some(LeftBecause::UnknownSink) => {
            "Nicht gelöscht: der Empfänger betreibt das Ziel nicht mehr. Löschen Sie ihn auch dort"
        }
        Some(LeftBecause::IdTooLong) => {
            "Nicht gelöscht: dies ist nur der Anfang seiner Kennung. Suchen und löschen Sie ihn dort"
        }
        None => "Nicht gelöscht. Sehen Sie nach, wessen er ist, bevor Sie ihn dort löschen",
    },
    of_outcome_of: |of| match of {
        Outcome::Accepted => "Angenommen",
        Outcome::Duplicate => "Duplikat",
        Outcome::Ignored => "Ignoriert",
        Outcome::Unrouted => "Ohne Ziel",
        Outcome::Rejected => "Abgelehnt",
    },
    of_record_erasure: |of| match of {
        RecordErasure::Pending => "Wird gelöscht",
        RecordErasure::Deleted => "Gelöscht",
        RecordErasure::Failed => "Nicht gelöscht: löschen Sie ihn dort",
        RecordErasure::Skipped => "Nicht gelöscht",
    },
    of_remedy: |of| match of {
        FailureClass::Credentials => {
            "Berichtigen Sie das Secret oder die Rechte des Kontos, dann stellen Sie erneut zu."
        }
        FailureClass::Connection => {
            "Das CRM war nicht erreichbar: stellen Sie erneut zu, wenn es wieder antwortet."
        }
        FailureClass::Limit => {
            "Ein Limit des CRM war ausgeschöpft: stellen Sie erneut zu, wenn es wieder frei ist."
        }
        FailureClass::Setup => "Berichtigen Sie das Konto oder das Ziel, dann stellen Sie erneut zu.",
        FailureClass::Lead => {
            "Berichtigen Sie die Zuordnung oder den Datensatz, dann stellen Sie erneut zu; oder verwerfen Sie den Lead."
        }
        FailureClass::Attempt => "Der Versuch brach ab: stellen Sie erneut zu.",
    },
    of_set: |of| match of {
        Set::Pending => "Wartend",
        Set::Held => "Zurückgehalten",
        Set::Dead => "Gescheitert",
        Set::Unrouted => "Ohne Ziel",
        Set::Rejected => "Abgelehnt",
        Set::Delivered => "Zugestellt",
    },
    of_state_of: |of| match of {
        State::Pending => "Wartend",
        State::Delivered => "Zugestellt",
        State::Held => "Zurückgehalten",
        State::Dead => "Gescheitert",
        State::Discarded => "Verworfen",
        State::Moved => "Verschoben",
        State::Erased => "Gelöscht",
    },
    of_words: |told| {
        Some(match told {
            words::IN_FLIGHT => {
                "Der Lead wird gerade zugestellt oder wurde zugestellt; sehen Sie in einigen Sekunden noch einmal nach."
            }
            words::BEING_DELIVERED => "Er wird gerade zugestellt oder ist nicht mehr da.",
            words::KNOWN_THERE => {
                "Das Ziel hat den Lead schon oder hat ihn zugestellt; stellen Sie ihn dort erneut zu."
            }
            words::OVERTAKEN_THERE | words::OVERTAKEN => {
                "Ein neuerer Lead dieser Person wurde zugestellt, und dieser würde dessen Werte überschreiben; verwerfen Sie ihn, oder \
                 erzwingen Sie die Zustellung mit force=true."
            }
            words::DECIDED => {
                "Der Lead ist nicht zurückgehalten: es wurde schon entschieden, oder sein Datensatz wurde gefunden."
            }
            words::NO_KEY => {
                "Der Schlüssel fehlt, mit dem er verschlüsselt wurde (KeyMissing); nehmen Sie ihn wieder unter die Schlüssel auf."
            }
            words::NO_WEBHOOK => "Seinen Webhook gibt es nicht mehr.",
            words::NO_SINK => "Noch nimmt ihn kein Ziel (sinks[].when); verschieben Sie ihn in eines.",
            words::STILL_INVALID => "Die Anfrage ist noch immer ungültig.",
            words::OLDER => {
                "Ein neuerer Lead dieser Person wurde zugestellt oder wartet: dieser wird als gescheitert aufbewahrt und überschreibt \
                 nichts, solange seine Zustellung nicht erzwungen wird."
            }
            words::PAUSED => {
                "Jemand hat es pausiert; setzen Sie es fort, wenn wieder zugestellt werden darf."
            }
            _ => return None,
        })
    },
    of_what_to_do: |of| match of {
        Set::Pending => "Er wartet auf Zustellung; es ist nichts zu tun.",
        Set::Held => {
            "Mehrere Datensätze des CRM passen: öffnen Sie den Lead und entscheiden Sie, welcher es ist."
        }
        Set::Dead => {
            "Das CRM hat diese Leads abgelehnt, oder die Versuche sind erschöpft: beheben Sie die Ursache, dann stellen Sie sie erneut zu oder verwerfen Sie sie."
        }
        Set::Unrouted => {
            "Kein Ziel nimmt diese Leads: berichtigen Sie sinks[].when des Webhooks, dann stellen Sie sie erneut zu, oder bearbeiten Sie eine Kopie."
        }
        Set::Rejected => {
            "Diese Anfragen sind keine gültigen Leads: berichtigen Sie die Zuordnung und stellen Sie sie erneut zu, oder bearbeiten und senden Sie eine Kopie."
        }
        Set::Delivered => "Das CRM hat ihn; es ist nichts zu tun.",
    },
};
