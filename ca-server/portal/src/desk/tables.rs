//! 人员批量建档: a template, a file, a result for each line.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{FromRequest, Multipart, Path, Request, State, multipart::MultipartError},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    forms,
    guard::{self, Visitor},
    now_ms, today,
    views::{self, LineResult, Upload},
};
use crate::{
    fault::Fault,
    language::Text,
    pages,
    routes::Site,
    secret,
    services::{batch, catalogue::PERSON, sheet},
    store::submissions::{self, Act, Draft, Kept},
};

pub(super) async fn page(Extension(visitor): Extension<Visitor>) -> Result<Response, Fault> {
    Ok(views::upload(StatusCode::OK, &visitor, Upload { form: secret::token()?, error: None }))
}

pub(super) async fn template(Path(file): Path<String>, request: Request) -> Result<Response, Fault> {
    let rows = batch::template();
    Ok(match file.as_str() {
        "template.csv" => download("persons.csv", "text/csv; charset=utf-8", sheet::write_csv(&rows)?),
        "template.xlsx" => {
            let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            download("persons.xlsx", kind, sheet::write_xlsx(&rows)?)
        }
        _ => pages::not_found(&request),
    })
}

pub(super) fn download(name: &str, kind: &'static str, octets: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], octets)
        .into_response()
}

#[derive(Default)]
struct Parts {
    csrf: String,
    form: String,
    /// Good lines are kept although others are not.
    good_only: bool,
    file: Vec<u8>,
}

pub(super) async fn submit(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(pages::not_found(&request)) };
    let again = |status, error| {
        Ok(views::upload(status, &visitor, Upload { form: secret::token()?, error: Some(error) }))
    };
    let parts = match Multipart::from_request(request, &()).await {
        Ok(multipart) => parts(multipart).await,
        Err(_) => return again(StatusCode::BAD_REQUEST, BROKEN),
    };
    let parts = match parts {
        Ok(parts) => parts,
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return again(StatusCode::PAYLOAD_TOO_LARGE, LARGE);
        }
        Err(_) => return again(StatusCode::BAD_REQUEST, BROKEN),
    };
    let form = match guard::csrf(&visitor, &parts.csrf).and_then(|()| guard::form_token(&parts.form)) {
        Ok(form) => form,
        Err(refused) => return Ok(*refused),
    };
    let file = parts.file;
    let lines = match tokio::task::spawn_blocking(move || batch::read(&file, today())).await? {
        Ok(lines) => lines,
        Err(error) => return again(StatusCode::UNPROCESSABLE_ENTITY, error),
    };
    let all_good = lines.iter().all(|line| line.checked.is_ok());
    let keeps = all_good || parts.good_only;
    if let Err(refused) = visitor.still_good(&site) {
        return Ok(*refused);
    }
    let mut results = Vec::new();
    let mut drafts = Vec::new();
    for line in lines {
        match line.checked {
            Err(errors) => results.push(LineResult { number: line.number, receipt: None, errors }),
            Ok(values) => {
                results.push(LineResult { number: line.number, receipt: None, errors: Default::default() });
                let content = forms::content(&PERSON, values, None)?;
                drafts.push(Draft {
                    service: PERSON.name,
                    act: Act::New,
                    content,
                    form: form.clone(),
                    line: line.number,
                });
            }
        }
    }
    if keeps {
        let (author, day) = (visitor.author(), today().strftime("%Y%m%d").to_string());
        // One transaction: a crash leaves all of the file's good lines or none.
        let receipts = desk.store.run(move |db| {
            drafts
                .iter()
                .map(|draft| Ok((draft.line, submissions::keep(db, &author, draft, now_ms(), &day)?)))
                .collect::<Result<Vec<_>, Fault>>()
        });
        for (number, kept) in receipts.await? {
            if let (Some(result), Kept::Receipt(receipt)) =
                (results.iter_mut().find(|result| result.number == number), kept)
            {
                result.receipt = Some(receipt);
            }
        }
    }
    let status = if keeps { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(views::uploaded(status, &visitor, &results))
}

const LARGE: Text = Text("文件超过 2 MiB。请分成几个文件。", "The file is larger than 2 MiB. Split it.");
const BROKEN: Text = Text(
    "上传没有完成。请重新选择文件并提交。",
    "The upload is not complete. Choose the file again and submit it.",
);

async fn parts(mut multipart: Multipart) -> Result<Parts, MultipartError> {
    let mut parts = Parts::default();
    while let Some(field) = multipart.next_field().await? {
        match field.name().unwrap_or_default() {
            "csrf" => parts.csrf = field.text().await?,
            "form" => parts.form = field.text().await?,
            "mode" => parts.good_only = field.text().await? == "good",
            "file" => parts.file = field.bytes().await?.to_vec(),
            _ => {}
        }
    }
    Ok(parts)
}
