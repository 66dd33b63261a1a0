//! What is left of a person in the memory of an idle receiver, after an erasure.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;

use serde_json::json;

use super::post;
use super::privacy::{email, ended, everybody, phone, rig};

/// What a process may have written into its memory.
fn memory(pid: u32) -> Vec<Vec<u8>> {
    let maps = File::open(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut regions = Vec::new();
    for line in std::io::BufReader::new(maps).lines() {
        let line = line.unwrap();
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // What cannot be read, such as [vvar], the process has not written either.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            regions.push(bytes);
        }
    }
    regions
}

/// Whom a process has in its memory: by address, by name, and by number.
fn in_memory(pid: u32) -> [BTreeSet<usize>; 3] {
    let mut found = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for region in memory(pid) {
        let number = |at: Option<usize>| {
            let digits = at.and_then(|at| region.get(at..at + 3))?;
            std::str::from_utf8(digits).ok()?.parse::<usize>().ok()
        };
        let all = |text: &'static str| memchr::memmem::find_iter(&region, text);
        found[0].extend(all("person.").filter_map(|at| number(Some(at + "person.".len()))));
        found[1].extend(all("-x").filter_map(|at| number(at.checked_sub(3))));
        for start in ["+4930901", "030 / 901-"] {
            found[2].extend(all(start).filter_map(|at| number(Some(at + start.len()))));
        }
    }
    found
}

/// Leads are sealed in the store, as the operator has it: what SQLite keeps in its own memory says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_in_no_memory_of_an_idle_receiver() {
    // Given 500 people in several states at once,
    let keys = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(keys.path(), "of the test, and longer than 32 bytes").unwrap();
    let rig = rig(vec![format!("--encryption-key-file={}", keys.path().display())]).await;
    everybody(&rig).await;
    let pid = rig.receiver.pid().unwrap();
    // and a request that is under way, so that it is certain that memory can be searched,
    let mut request = TcpStream::connect(rig.receiver.address()).unwrap();
    let head = "POST /webhooks/default/web HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n";
    write!(request, "{head}{}", json!({"email": email(7)})).unwrap();
    rig.until("what is in memory is found", || async {
        in_memory(pid)[0].contains(&7)
    })
    .await;
    drop(request);
    // when some of them are erased,
    let erased = [3, 7, 77, 149, 150, 222, 299, 300, 301, 442, 499];
    for n in erased {
        let erasure = post(
            &rig,
            "/privacy/erasures",
            json!({"person": {"email": email(n), "phone": phone(n)}}),
        )
        .await;
        ended(&rig, &erasure).await;
    }
    // then nothing of them is left, as soon as the connections that brought and took them are closed.
    rig.until("nobody who was erased is in memory", || async {
        let left: Vec<Vec<usize>> = in_memory(pid)
            .iter()
            .map(|found| erased.into_iter().filter(|n| found.contains(n)).collect())
            .collect();
        left.iter().all(Vec::is_empty)
    })
    .await;
}
