//! What people ask about their data.

use super::{Rig, broken, get, html, post};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_exported_and_erased_after_a_question() {
    let rig = Rig::with(broken).await;
    let (ada, bea) = (rig.lead("ada").await, rig.lead("bea").await);
    rig.dead_letter_count("dead", 2).await;
    let form = "action=export&email=ada%40example.com";
    let page = html(&post(&rig, "/console/-/privacy", form).await);
    assert!(
        page.contains("ada@example.com") && page.contains(&ada) && !page.contains(&bea),
        "{page}"
    );
    let file = post(
        &rig,
        "/console/-/privacy",
        "action=download&email=ada%40example.com",
    )
    .await;
    assert_eq!(
        file.header("content-disposition"),
        Some("attachment; filename=\"export.json\"")
    );
    assert_eq!(file.json()["leads"][0]["id"], ada.as_str());
    // Nobody in particular is nobody
    for form in [
        "action=export",
        "action=erase",
        "action=erase&confirm=yes",
        "action=other",
    ] {
        assert_eq!(post(&rig, "/console/-/privacy", form).await.status, 400, "{form}");
    }
    // Erasing asks first
    let form = "action=erase&email=ada%40example.com";
    let question = html(&post(&rig, "/console/-/privacy", form).await);
    assert!(question.contains("name=\"confirm\" value=\"yes\""), "{question}");
    assert!(
        question.contains("<b>ada@example.com</b>"),
        "it says of whom: {question}"
    );
    // An address may have letters of any language, which fields of type email refuse
    let page = html(&get(&rig, "/console/-/privacy").await);
    assert!(!page.contains("type=\"email\""), "{page}");
    assert_eq!(rig.dead_letters("dead").await.len(), 2);
    let answer = post(&rig, "/console/-/privacy", &format!("{form}&confirm=yes")).await;
    let erasure = answer.header("location").unwrap().to_owned();
    assert!(answer.status == 303 && !erasure.contains("ada"), "{answer:?}");
    rig.until("the erasure has ended", || async {
        html(&get(&rig, &erasure).await).contains("Completed")
    })
    .await;
    let left = rig.dead_letters("dead").await;
    assert!(left.len() == 1 && left[0]["id"] == bea.as_str(), "{left:?}");
    let list = html(&get(&rig, "/console/-/privacy").await);
    assert!(list.contains(&erasure) && !list.contains("ada@"), "{list}");
}
