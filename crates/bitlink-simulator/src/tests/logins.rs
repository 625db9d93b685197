//! Logins of a firmware's own: who has not logged in, or long ago, or with another password, is refused as the firmware does it.

use crate::{FaceName, MinerSpec, SimMiner};
use serde_json::Value;
use std::time::Duration;

/// What came back: status, headers, body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap().to_owned()
    }
}

struct Machine(SimMiner);

impl Machine {
    fn new(face: FaceName, model: &str) -> Self {
        Self(SimMiner::new(MinerSpec::with_model_name(face, model, 7).unwrap()))
    }

    fn ask(&self, port: u16, line: &str, headers: &str, body: &str, at_s: u64) -> Answer {
        let request =
            format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        let bytes = self.0.reply_at_port(port, Duration::from_secs(at_s), 1_700_000_000, request.as_bytes());
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.replace("\r\n", "\n"), body: body.to_owned() }
    }
}

#[test]
fn goldshell_wants_a_token_that_never_runs_out() {
    let login = |password: &str, cipher: &str| {
        format!("GET /user/login?username=admin&password={password}&cipher={cipher}")
    };
    let machine = Machine::new(FaceName::Goldshell, "KDMAX");
    assert_eq!(machine.ask(80, "GET /mcb/status", "", "", 0).json()["model"], "Goldshell-KDMAX");
    assert_eq!(machine.ask(80, "GET /mcb/setting", "", "", 0).status, 401);
    assert_eq!(machine.ask(80, "GET /mcb/setting", "Authorization: Bearer \r\n", "", 0).status, 401);
    assert_eq!(machine.ask(80, &login("wrong", "false"), "", "", 0).json()["JWT Token"], "");
    let token = machine.ask(80, &login("123456789", "false"), "", "", 0).json();
    let token = token["JWT Token"].as_str().unwrap().to_owned();
    let signed = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(machine.ask(80, "GET /mcb/setting", &signed, "", 5_000_000).status, 200);
    // Another generation takes nothing in the plain.
    let machine = Machine::new(FaceName::Goldshell, "CK5");
    assert_eq!(machine.ask(80, &login("123456789", "false"), "", "", 0).status, 500);
    let token = machine.ask(80, &login("bbad7537f4c8b6ea31eea0b3d760e257", "true"), "", "", 0).json();
    assert!(!token["JWT Token"].as_str().unwrap().is_empty());
}

#[test]
fn innosilicon_refuses_in_its_pages() {
    let machine = Machine::new(FaceName::Innosilicon, "T3H+");
    let all = |headers: &str, at_s| machine.ask(80, "POST /api/getAll", headers, "{}", at_s).json();
    let bare = all("", 0);
    assert_eq!((&bare["success"], &bare["message"]), (&Value::from(false), &Value::from("invalid request")));
    assert_eq!(all("Authorization: Bearer made-up\r\n", 0)["token"], "expired");
    let login = |password: &str| {
        machine.ask(80, "POST /api/auth", "", &format!("username=admin&password={password}"), 0).json()
    };
    assert_eq!(login("wrong")["success"], false);
    let signed = format!("Authorization: Bearer {}\r\n", login("admin")["jwt"].as_str().unwrap());
    assert_eq!(all(&signed, 60)["success"], true);
    assert_eq!(all(&signed, 60 + 21_600)["token"], "expired");
}

#[test]
fn auradine_wants_a_token_in_a_header_of_its_own() {
    let machine = Machine::new(FaceName::Auradine, "AT2880");
    let fan = |headers: &str, at_s| machine.ask(8080, "GET /fan", headers, "", at_s);
    assert_eq!(fan("", 0).status, 401);
    let login = |password: &str| {
        let body = format!(r#"{{"command":"token","user":"admin","password":"{password}"}}"#);
        machine.ask(8080, "POST /token", "", &body, 0).json()
    };
    assert_eq!(login("wrong")["STATUS"][0]["STATUS"], "E");
    let signed = format!("Token: {}\r\n", login("admin")["Token"][0]["Token"].as_str().unwrap());
    assert_eq!(fan(&signed, 60).json()["Fan"].as_array().unwrap().len(), 4);
    assert_eq!(fan(&signed, 60 + 3_600).status, 401);
    assert!(machine.ask(80, "GET /", "", "", 0).body.contains("Miner UI"));
}

#[test]
fn ipollo_wants_a_path_and_a_cookie() {
    let machine = Machine::new(FaceName::IPollo, "G1");
    let login = |password: &str| {
        let body = format!("luci_username=admin&luci_password={password}");
        machine.ask(80, "POST /cgi-bin/luci", "", &body, 0)
    };
    assert_eq!(login("wrong").status, 403);
    let admitted = login("admin");
    assert_eq!(admitted.status, 302);
    let session = admitted.header("Location");
    let cookie = admitted.header("Set-Cookie");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let page = format!("GET {session}/admin/ipollo_main/api_getstatus");
    assert_eq!(machine.ask(80, &page, &cookie, "", 60).json()["mmodel"], "iPollo G1");
    let astray = "GET /cgi-bin/luci/admin/ipollo_main/api_getstatus";
    for (line, headers, at_s) in
        [(page.as_str(), "", 60), (astray, &cookie, 60), (&page, &cookie, 60 + 3_600)]
    {
        let refused = machine.ask(80, line, headers, "", at_s);
        assert!(refused.status == 403 && refused.body.contains("luci_username"), "{line}");
    }
}
