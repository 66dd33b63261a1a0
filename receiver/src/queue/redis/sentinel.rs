//! Asks sentinels where the primary is, and hears from them when it is another one.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use redis::{AsyncConnectionConfig, Client, RedisError, cmd};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    access::{Target, Watched},
    connection::{Link, in_words, is_refusal},
    subscriber::hear,
};

/// How long sentinels, and nodes of a cluster, may take to answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(600);

/// How long the others are waited for once one has answered: it may be the one that has not heard the news.
const OTHERS_TIMEOUT: Duration = Duration::from_millis(200);

/// Between attempts to listen to a sentinel.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What sentinels publish when another server has become the primary.
const SWITCHED: &str = "+switch-master";

/// A server's host and port, as the sentinels tell them.
pub(super) type Address = (String, u16);

/// Why the primary is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// In words, with the remedy.
    pub(super) why: String,
    /// The user name or password was refused, or the user lacks a permission.
    pub(super) is_refusal: bool,
}

/// What one sentinel says of the primary.
#[derive(Debug, Clone)]
struct Word {
    address: Address,
    /// Grows with each failover.
    epoch: u64,
    /// It does not hear from the primary.
    is_missed: bool,
    /// Enough sentinels do not, or one of them is replacing it.
    is_being_replaced: bool,
}

/// Where the primary is, by all sentinels that answer.
pub(super) async fn primary(watched: &Watched) -> Result<Address, Failed> {
    let asked = watched.sentinels.iter();
    agreed(answers(asked.map(|sentinel| ask(sentinel, &watched.name))).await)
}

/// What those who are asked say in time.
pub(super) async fn answers<T>(
    asked: impl IntoIterator<Item = impl Future<Output = Result<T, Failed>>>,
) -> Vec<Result<T, Failed>> {
    let mut asked: FuturesUnordered<_> = asked.into_iter().collect();
    let mut deadline = Instant::now() + ANSWER_TIMEOUT;
    let mut answers = Vec::with_capacity(asked.len());
    while let Ok(Some(answer)) = timeout_at(deadline, asked.next()).await {
        if answer.is_ok() {
            deadline = deadline.min(Instant::now() + OTHERS_TIMEOUT);
        }
        answers.push(answer);
    }
    answers
}

async fn ask(sentinel: &Client, name: &str) -> Result<Word, Failed> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    let mut ask = cmd("SENTINEL");
    ask.arg("MASTER").arg(name);
    let answer: HashMap<String, String> = async {
        let mut connection = sentinel
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        ask.query_async(&mut connection).await
    }
    .await
    .map_err(|error| refused(&error))?;
    read(&answer).ok_or_else(|| Failed {
        why: "a sentinel's answer cannot be read: correct the hosts in the queue URL".into(),
        is_refusal: false,
    })
}

fn read(answer: &HashMap<String, String>) -> Option<Word> {
    let flags = answer.get("flags")?;
    let has = |wanted: &str| flags.split(',').any(|flag| flag == wanted);
    Some(Word {
        address: (answer.get("ip")?.clone(), answer.get("port")?.parse().ok()?),
        epoch: answer.get("config-epoch")?.parse().ok()?,
        is_missed: has("s_down"),
        is_being_replaced: has("o_down") || has("failover_in_progress"),
    })
}

/// Why a sentinel does not tell.
fn refused(error: &RedisError) -> Failed {
    let detail = error.detail().unwrap_or_default();
    let why = if is_refusal(error) {
        "a sentinel refused the user name or password: correct sentinelUsername and sentinelPassword in the queue URL \
         (the user needs +sentinel|master, and +subscribe and &+switch-master)"
            .into()
    } else if detail.contains("No such master") {
        "the sentinels know no primary of this name: correct the name behind the hosts in the queue URL"
            .into()
    } else if error.code() == Some("ERR") && detail.contains("unknown command") {
        "a host in the queue URL is no sentinel: name the sentinels (port 26379), not the servers that they watch"
            .into()
    } else {
        format!("no sentinel can be asked for the primary: {}", in_words(error))
    };
    Failed {
        why,
        is_refusal: is_refusal(error),
    }
}

/// What follows from what the sentinels say: those that know of the latest failover are right.
fn agreed(words: Vec<Result<Word, Failed>>) -> Result<Address, Failed> {
    let failed = |why: &str| Failed {
        why: why.to_owned(),
        is_refusal: false,
    };
    let (known, unknown): (Vec<_>, Vec<_>) = words.into_iter().partition(Result::is_ok);
    let mut known: Vec<Word> = known.into_iter().filter_map(Result::ok).collect();
    let Some(latest) = known.iter().map(|word| word.epoch).max() else {
        let unknown: Vec<Failed> = unknown.into_iter().filter_map(Result::err).collect();
        let worst = unknown.iter().find(|why| why.is_refusal).or(unknown.first());
        return Err(worst.cloned().unwrap_or_else(|| {
            failed("no sentinel answered in time: see whether they run and can be reached")
        }));
    };
    let answered = known.len();
    let missed = known.iter().filter(|word| word.is_missed).count();
    known.retain(|word| word.epoch == latest);
    if known.iter().any(|word| word.is_being_replaced) || missed * 2 > answered {
        return Err(failed(
            "the sentinels do not hear from the primary, or are replacing it: if this lasts, see their logs",
        ));
    }
    let mut addresses = known.into_iter().map(|word| word.address);
    match addresses.next() {
        Some(first) if addresses.all(|other| other == first) => Ok(first),
        _ => Err(failed(
            "the sentinels disagree about the primary: have all of them watch the same servers under this name",
        )),
    }
}

/// Has `link` look for the primary whenever a sentinel tells of another one, or could not be heard for a while.
pub(super) async fn listen(mut targets: watch::Receiver<Target>, link: Link) {
    loop {
        let target = targets.borrow_and_update().clone();
        let heard = async {
            match &target {
                // A node that is no primary any more says so itself.
                Target::Direct(_) | Target::Cluster(_) => std::future::pending().await,
                Target::Sentinels(watched) => {
                    let all = watched.sentinels.iter();
                    join_all(all.map(|sentinel| follow(sentinel, &watched.name, &link))).await;
                }
            }
        };
        tokio::select! {
            () = heard => {}
            changed = targets.changed() => if changed.is_err() { return },
        }
    }
}

async fn follow(sentinel: &Client, name: &str, link: &Link) {
    let prefix = format!("{name} ");
    loop {
        let subscribe = async {
            let mut connection = sentinel.get_async_pubsub().await?;
            connection.subscribe(SWITCHED).await?;
            Ok::<_, RedisError>(connection)
        };
        if let Ok(Ok(connection)) = timeout(ANSWER_TIMEOUT, subscribe).await {
            link.look();
            let told = |text: &str| {
                if text.starts_with(&prefix) {
                    link.look();
                }
            };
            hear(connection, told).await;
        }
        sleep(LISTEN_AGAIN_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Said = Result<Word, Failed>;

    fn word(port: u16, epoch: u64, flags: &str) -> Word {
        let pairs = [
            ("ip", "10.0.0.1"),
            ("port", &port.to_string()),
            ("config-epoch", &epoch.to_string()),
            ("flags", flags),
        ];
        let answer = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        read(&answer.into()).unwrap()
    }

    fn no(why: &str, is_refusal: bool) -> Failed {
        Failed {
            why: why.into(),
            is_refusal,
        }
    }

    #[test]
    fn the_sentinels_that_know_of_the_latest_failover_are_right() {
        let rows: Vec<(Vec<Said>, Result<u16, &str>)> = vec![
            (vec![Ok(word(1, 0, "master"))], Ok(1)),
            (
                vec![
                    Ok(word(1, 3, "master")),
                    Ok(word(2, 4, "master")),
                    Ok(word(1, 3, "master")),
                ],
                Ok(2),
            ),
            (
                vec![
                    Err(no("broke", false)),
                    Ok(word(1, 0, "master")),
                    Err(no("wrong password", true)),
                ],
                Ok(1),
            ),
            (
                vec![
                    Ok(word(1, 0, "master,s_down")),
                    Ok(word(1, 0, "master")),
                    Ok(word(1, 0, "master")),
                ],
                Ok(1),
            ),
            // What went before a failover does not count any more.
            (
                vec![
                    Ok(word(1, 0, "master,s_down,o_down,failover_in_progress")),
                    Ok(word(2, 1, "master")),
                ],
                Ok(2),
            ),
            (
                vec![
                    Ok(word(1, 0, "master")),
                    Ok(word(1, 0, "master,failover_in_progress")),
                ],
                Err("replacing it"),
            ),
            (
                vec![Ok(word(1, 0, "s_down,o_down,master")), Ok(word(1, 0, "master"))],
                Err("replacing it"),
            ),
            (
                vec![
                    Ok(word(1, 0, "s_down,master")),
                    Ok(word(1, 0, "master,s_down")),
                    Ok(word(1, 0, "master")),
                ],
                Err("replacing it"),
            ),
            (
                vec![Ok(word(1, 0, "master")), Ok(word(2, 0, "master"))],
                Err("disagree"),
            ),
            (
                vec![Err(no("broke", false)), Err(no("wrong password", true))],
                Err("wrong password"),
            ),
            (
                vec![Err(no("broke", false)), Err(no("broke too", false))],
                Err("broke"),
            ),
            (vec![], Err("answered in time")),
        ];
        for (words, expected) in rows {
            let shown = format!("{words:?}");
            match (agreed(words), expected) {
                (Ok((_, port)), Ok(expected)) => assert_eq!(port, expected, "{shown}"),
                (Err(failed), Err(expected)) => assert!(failed.why.contains(expected), "{shown}: {failed:?}"),
                (outcome, _) => panic!("{shown}: {outcome:?}"),
            }
        }
    }
}
