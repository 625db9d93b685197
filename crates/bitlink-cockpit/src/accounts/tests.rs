//! Who is let in, who is not, and what is kept of it.

#![allow(clippy::unwrap_used)] // a test stops where it fails

use super::*;
use std::path::PathBuf;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("bitlink-accounts-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn the_first_admin_is_made_once_with_the_word_that_was_told() {
    let folder = Folder::new("first");
    let accounts = Accounts::open(&folder.0).unwrap();
    let word = accounts.first_run_word().unwrap().to_owned();
    assert!(matches!(accounts.set_up(None, "guess", "ann", PASSWORD).await, Err(LoginError::Wrong)));
    assert!(matches!(accounts.set_up(None, &word, "ann", "short").await, Ok(Err(AccountError::Password))));
    let ann = accounts.set_up(None, &word, "ann", PASSWORD).await.unwrap().unwrap();
    assert_eq!(ann.who, Who { name: "ann".to_owned(), role: Role::Admin });
    assert!(accounts.first_run_word().is_none());
    assert!(matches!(accounts.set_up(None, &word, "bob", PASSWORD).await, Err(LoginError::Wrong)));
    // It is kept, where nobody else can read it, and the password is in no file.
    let file = folder.0.join("cockpit.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("ann") && !text.contains(PASSWORD));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = Accounts::open(&folder.0).unwrap();
    assert!(again.first_run_word().is_none());
    assert!(again.sign_in(None, "ann", PASSWORD).await.is_ok());
    assert!(again.by_cookie(&ann.cookie).is_none(), "sessions are of one run");
}

#[tokio::test]
async fn a_session_ends_with_its_password_its_user_and_by_itself() {
    let folder = Folder::new("session");
    let accounts = Accounts::open(&folder.0).unwrap();
    accounts.add("ann", Role::Admin, PASSWORD).await.unwrap();
    accounts.add("bob", Role::Viewer, PASSWORD).await.unwrap();
    let bob = accounts.sign_in(None, "bob", PASSWORD).await.unwrap();
    let (who, csrf) = accounts.by_cookie(&bob.cookie).unwrap();
    assert_eq!((who.role, csrf), (Role::Viewer, bob.csrf.clone()));
    accounts.set_role("bob", Role::Operator).unwrap();
    assert_eq!(accounts.by_cookie(&bob.cookie).unwrap().0.role, Role::Operator, "a role counts at once");
    accounts.set_password("bob", "another long one").await.unwrap();
    assert!(accounts.by_cookie(&bob.cookie).is_none());
    assert!(accounts.sign_in(None, "bob", PASSWORD).await.is_err());
    let bob = accounts.sign_in(None, "bob", "another long one").await.unwrap();
    accounts.sign_out(&bob.cookie);
    assert!(accounts.by_cookie(&bob.cookie).is_none());
    let bob = accounts.sign_in(None, "bob", "another long one").await.unwrap();
    accounts.remove("bob").unwrap();
    assert!(accounts.by_cookie(&bob.cookie).is_none());
    assert!(accounts.by_cookie("").is_none() && accounts.by_token("").is_none());
}

#[tokio::test]
async fn somebody_stays_who_can_let_others_in() {
    let folder = Folder::new("last");
    let accounts = Accounts::open(&folder.0).unwrap();
    accounts.add("ann", Role::Admin, PASSWORD).await.unwrap();
    assert!(matches!(accounts.remove("ann"), Err(AccountError::LastAdmin)));
    assert!(matches!(accounts.set_role("ann", Role::Viewer), Err(AccountError::LastAdmin)));
    assert!(matches!(accounts.add("ann", Role::Viewer, PASSWORD).await, Err(AccountError::Taken)));
    assert!(matches!(accounts.add("a b", Role::Viewer, PASSWORD).await, Err(AccountError::Name)));
    assert_eq!(accounts.users().len(), 1);
}

#[tokio::test]
async fn a_token_may_do_no_more_than_its_owner_may_now() {
    let folder = Folder::new("token");
    let accounts = Accounts::open(&folder.0).unwrap();
    accounts.add("ann", Role::Admin, PASSWORD).await.unwrap();
    accounts.add("bob", Role::Operator, PASSWORD).await.unwrap();
    let (about, token) = accounts.add_token("bob", "grafana", Role::Operator, None).unwrap();
    assert_eq!(
        accounts.by_token(&token).unwrap(),
        Who { name: "bob/grafana".to_owned(), role: Role::Operator }
    );
    assert!(!std::fs::read_to_string(folder.0.join("cockpit.json")).unwrap().contains(&token));
    accounts.set_role("bob", Role::Viewer).unwrap();
    assert_eq!(accounts.by_token(&token).unwrap().role, Role::Viewer);
    assert!(matches!(accounts.remove_token(&about.id, Some("ann")), Err(AccountError::NoToken)));
    let (_, old) = accounts.add_token("bob", "old", Role::Viewer, Some(1)).unwrap();
    assert!(accounts.by_token(&old).is_none(), "it has expired");
    accounts.remove_token(&about.id, None).unwrap();
    assert!(accounts.by_token(&token).is_none());
}

#[tokio::test]
async fn what_another_program_writes_counts_and_is_not_undone() {
    let folder = Folder::new("beside");
    let accounts = Accounts::open(&folder.0).unwrap();
    accounts.add("ann", Role::Admin, PASSWORD).await.unwrap();
    accounts.add("bob", Role::Admin, PASSWORD).await.unwrap();
    let bob = accounts.sign_in(None, "bob", PASSWORD).await.unwrap();
    let beside = Accounts::open(&folder.0).unwrap();
    beside.remove("bob").unwrap();
    beside.set_password("ann", "another long one").await.unwrap();
    accounts.add("cem", Role::Viewer, PASSWORD).await.unwrap();
    let names = |accounts: &Accounts| accounts.users().into_iter().map(|user| user.name).collect::<Vec<_>>();
    assert_eq!(names(&accounts), ["ann", "cem"]);
    assert_eq!(names(&Accounts::open(&folder.0).unwrap()), ["ann", "cem"]);
    assert!(accounts.by_cookie(&bob.cookie).is_none());
    assert!(accounts.sign_in(None, "ann", "another long one").await.is_ok());
}

#[test]
fn a_file_that_makes_no_sense_lets_nobody_in() {
    let folder = Folder::new("damaged");
    std::fs::write(folder.0.join("cockpit.json"), "{}").unwrap();
    assert!(matches!(Accounts::open(&folder.0), Err(AccountsFileError::Damaged { .. })));
}
