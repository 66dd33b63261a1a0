//! What is around each page: who sees it, where, and what the visitor may do there.

use crate::api::{Api, Failure, Rights};
use crate::form::Fields;
use crate::texts::Texts;

/// The parts of the console, as its navigation names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Leads,
    Needs,
    Try,
    Jobs,
    Privacy,
    Audit,
    None,
}

/// What the layout shows.
pub(crate) struct Frame {
    pub(crate) t: &'static Texts,
    /// All places that the visitor may see.
    pub(crate) places: Vec<String>,
    /// The one that the page is about; of a page about all, the one that links lead to.
    pub(crate) place: String,
    pub(crate) section: Section,
    pub(crate) rights: Rights,
    pub(crate) who: String,
    pub(crate) has_session: bool,
    /// Whether the script reads the page again now and then.
    pub(crate) is_live: bool,
}

impl Frame {
    /// Whether a section is the page's.
    pub(crate) fn is(&self, section: Section) -> bool {
        self.section == section
    }

    /// Whether the visitor may answer what people ask about their data.
    pub(crate) fn has_privacy(&self) -> bool {
        self.rights.payloads || self.rights.delete
    }

    /// Whether there is more than one place to choose from.
    pub(crate) fn has_places(&self) -> bool {
        self.places.len() > 1
    }
}

/// A request for a page of a place.
pub(crate) struct Visit<'a> {
    pub(crate) api: &'a dyn Api,
    pub(crate) t: &'static Texts,
    pub(crate) places: Vec<String>,
    pub(crate) place: String,
    pub(crate) rights: Rights,
    /// The query.
    pub(crate) query: Fields,
    /// The form; empty of GET.
    pub(crate) form: Fields,
}

impl Visit<'_> {
    /// The frame of a page that stays as it is.
    pub(crate) fn frame(&self, section: Section) -> Frame {
        Frame {
            t: self.t,
            places: self.places.clone(),
            place: self.place.clone(),
            section,
            rights: self.rights,
            who: self.api.who().to_owned(),
            has_session: self.api.has_session(),
            is_live: false,
        }
    }

    /// The frame of a page that the script reads again now and then.
    pub(crate) fn live(&self, section: Section) -> Frame {
        Frame {
            is_live: true,
            ..self.frame(section)
        }
    }

    /// Refuses what the visitor may not do.
    pub(crate) fn may(&self, right: bool) -> Result<(), Failure> {
        if right {
            Ok(())
        } else {
            Err(Failure::new(403, self.t.no_right))
        }
    }
}
