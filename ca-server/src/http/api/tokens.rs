//! The stock of tokens: vendors' deliveries, where tokens are, what becomes of them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use ca_core::{Action, Token, TokenCommand, TokenDeliveryId, TokenState};
use ca_store::{CertificateStatus, Reader, TokenDelivery, TokenFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{applications::Reasons, check_known};
use crate::{
    app::{
        About, App,
        stock::{self, NewTransfer, Place},
    },
    http::{
        problem::{Body, Query},
        upload::File,
    },
    permit::{ChangeToken, ImportTokens, MoveTokens, Permission, Permit, ReadStock},
    problem::Problem,
    rule::Rule,
};

const PAGE: i64 = 100;

/// A token of ours, or one that we handed over.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenView {
    /// As the token itself says it.
    serial: String,
    model: String,
    batch: String,
    /// The delivery that brought it; `null` for one that was handed over before there was a stock.
    delivery: Option<String>,
    /// `box:NAME` or `counter:CODE`: where it is, or was last.
    place: String,
    /// `blank`, `claimed`, `personalised`, `delivered`, `active`, `held`, `spoiled`, `returned`, `lost`, `damaged` or
    /// `terminated`.
    state: &'static str,
    /// RFC 3339: since when it is in this state and place.
    moved_at: String,
    /// Serial number of the certificate on it, hexadecimal.
    certificate: Option<String>,
    /// Where that certificate stands.
    certificate_state: Option<&'static str>,
    /// Whose it is: the unit's code and name.
    unit: Option<TokenUnit>,
}

/// Whose token it is.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenUnit {
    code: String,
    name: String,
}

fn view(reader: &mut Reader<'_>, token: &Token) -> Result<TokenView, Problem> {
    let (mut certificate_state, mut unit) = (None, None);
    if let Some(serial) = token.state.certificate() {
        certificate_state = reader.status(&serial)?.map(|status| match status.state {
            CertificateStatus::Issued(state) => state.name(),
            CertificateStatus::Burned { .. } => "burned",
        });
        let of = reader.certificate(&serial)?.and_then(|record| record.unit);
        let known = of.map(|id| reader.unit(&id)).transpose()?.flatten();
        unit =
            known.map(|unit| TokenUnit { code: unit.code.to_string(), name: unit.name.as_str().to_owned() });
    }
    Ok(TokenView {
        serial: token.serial.to_string(),
        model: token.model.to_string(),
        batch: token.batch.to_string(),
        delivery: token.delivery.as_ref().map(TokenDeliveryId::to_string),
        place: token.location.to_string(),
        state: token.state.name(),
        moved_at: token.moved_at.to_string(),
        certificate: token.state.certificate().map(|serial| serial.to_string()),
        certificate_state,
        unit,
    })
}

/// Where a delivery goes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportQuery {
    /// The box that it is put into.
    r#box: Option<String>,
    /// Or the counter that it goes to.
    counter: Option<String>,
    /// Take nothing, and say what would be.
    #[serde(default)]
    dry_run: bool,
}

/// What was taken into stock.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportedView {
    /// The delivery's identifier; `null` for a dry run.
    delivery: Option<String>,
    tokens: usize,
}

/// Take a vendor's list of at most 50,000 tokens into stock, as CSV or XLSX: serial, model, batch. All of it or nothing.
#[utoipa::path(post, path = "/api/v1/token-deliveries", params(ImportQuery),
    request_body(content((String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
    responses((status = 200, body = ImportedView), (status = 409, description = "this file was imported before"),
        (status = 422, description = "lines that are wrong, each with its number")))]
pub(super) async fn import(
    permit: Permit<ImportTokens>,
    State(app): State<Arc<App>>,
    Query(query): Query<ImportQuery>,
    file: File,
) -> Result<Json<ImportedView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ImportTokens, object: "token-delivery", id: "new" };
    let work = async {
        let place = place(query.r#box, query.counter)?;
        let place = place.ok_or_else(|| Problem::field("box", "`box` or `counter` is needed"))?;
        let location = stock::location(app.policies.counters(), &place)?;
        let rules = app.policies.tokens();
        stock::import_tokens(&app.store, rules, &permit, (file.upload, location), query.dry_run).await
    };
    let done = app.audited(about, work).await?;
    Ok(Json(ImportedView { delivery: done.id.map(|id| id.to_string()), tokens: done.tokens }))
}

fn place(r#box: Option<String>, counter: Option<String>) -> Result<Option<Place>, Problem> {
    match (r#box, counter) {
        (None, None) => Ok(None),
        (Some(name), None) => Ok(Some(Place::Box(name))),
        (None, Some(code)) => Ok(Some(Place::Counter(code))),
        (Some(_), Some(_)) => Err(Problem::field("box", "`box` or `counter`, not both")),
    }
}

/// A vendor's delivery.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveryView {
    id: String,
    /// SHA-256 of the file, hexadecimal.
    sha256: String,
    imported_by: String,
    imported_at: String,
    tokens: i64,
}

impl From<TokenDelivery> for DeliveryView {
    fn from(delivery: TokenDelivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            sha256: hex::encode(delivery.sha256),
            imported_by: delivery.imported_by,
            imported_at: delivery.imported_at.to_string(),
            tokens: delivery.tokens,
        }
    }
}

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveriesQuery {
    /// Only those after this identifier.
    after: Option<String>,
}

/// Deliveries, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/token-deliveries", params(DeliveriesQuery),
    responses((status = 200, body = [DeliveryView])))]
pub(super) async fn deliveries(
    _permit: Permit<ReadStock>,
    State(app): State<Arc<App>>,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<Vec<DeliveryView>>, Problem> {
    let after = query.after.as_deref().map(TokenDeliveryId::parse).transpose()?;
    let found = app.store.read(|reader| reader.token_deliveries(after.as_ref(), PAGE))?;
    Ok(Json(found.into_iter().map(DeliveryView::from).collect()))
}

/// Which tokens.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TokensQuery {
    /// Only of this model.
    model: Option<String>,
    /// Only of this batch.
    batch: Option<String>,
    /// Only in this state.
    state: Option<String>,
    /// Only in this box.
    r#box: Option<String>,
    /// Only at this counter.
    counter: Option<String>,
    /// Only of this delivery.
    delivery: Option<String>,
    /// Only after this serial number.
    after: Option<String>,
}

/// Tokens by serial number, 100 at a time: every token of a model or batch, wherever it is, with its holder and
/// certificate.
#[utoipa::path(get, path = "/api/v1/tokens", params(TokensQuery), responses((status = 200, body = [TokenView])))]
pub(super) async fn tokens(
    _permit: Permit<ReadStock>,
    State(app): State<Arc<App>>,
    Query(query): Query<TokensQuery>,
) -> Result<Json<Vec<TokenView>>, Problem> {
    check_known("state", query.state.as_deref(), &TokenState::NAMES)?;
    let place = place(query.r#box, query.counter)?;
    let filter = TokenFilter {
        model: query.model,
        batch: query.batch,
        state: query.state,
        location: place.map(|place| stock::location(app.policies.counters(), &place)).transpose()?,
        delivery: query.delivery.as_deref().map(TokenDeliveryId::parse).transpose()?,
        after: query.after,
        limit: PAGE,
    };
    app.store.read(|reader| {
        let found = reader.tokens(&filter)?;
        let views: Result<Vec<_>, Problem> = found.iter().map(|token| view(reader, token)).collect();
        views.map(Json)
    })
}

/// One token.
#[utoipa::path(get, path = "/api/v1/tokens/{serial}", params(("serial" = String, Path)),
    responses((status = 200, body = TokenView), (status = 404, description = "not listed")))]
pub(super) async fn token(
    _permit: Permit<ReadStock>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
) -> Result<Json<TokenView>, Problem> {
    app.store.read(|reader| {
        let token = reader.token(&serial)?;
        let token = token.ok_or_else(|| Problem::new(Rule::TokenNotListed).with("token", &serial))?;
        view(reader, &token).map(Json)
    })
}

/// How many tokens of one kind are in one place.
#[derive(Serialize, ToSchema)]
pub(super) struct StockView {
    /// `box:NAME` or `counter:CODE`.
    place: String,
    model: String,
    batch: String,
    state: String,
    tokens: i64,
}

/// How many tokens there are of each model and batch, in each place and state.
#[utoipa::path(get, path = "/api/v1/token-stock", responses((status = 200, body = [StockView])))]
pub(super) async fn counts(
    _permit: Permit<ReadStock>,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<StockView>>, Problem> {
    let found = app.store.read(|reader| reader.stock())?;
    let view = |count: ca_store::StockCount| StockView {
        place: count.location.to_string(),
        model: count.model,
        batch: count.batch,
        state: count.state,
        tokens: count.tokens,
    };
    Ok(Json(found.into_iter().map(view).collect()))
}

/// What was moved.
#[derive(Serialize, ToSchema)]
pub(super) struct TransferredView {
    tokens: usize,
}

/// Move tokens between boxes and counters: those that are named, or every blank one of a place; all of them or none.
#[utoipa::path(post, path = "/api/v1/token-transfers", request_body = NewTransfer,
    responses((status = 200, body = TransferredView), (status = 409, description = "a token is not in stock, or elsewhere")))]
pub(super) async fn transfer(
    permit: Permit<MoveTokens>,
    State(app): State<Arc<App>>,
    body: Body<NewTransfer>,
) -> Result<Json<TransferredView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::MoveTokens, object: "token", id: "transfer" };
    let tokens = app.audited(about, app.transfer_tokens(permit, body.value)).await?;
    Ok(Json(TransferredView { tokens }))
}

async fn change(
    permit: Permit<ChangeToken>,
    app: &App,
    serial: String,
    command: TokenCommand,
    reasons: String,
) -> Result<Json<TokenView>, Problem> {
    let (actor, id) = (permit.actor().clone(), serial.clone());
    let about = About { actor: &actor, action: ChangeToken::ACTION, object: "token", id: &id };
    let token = app.audited(about, app.change_token(permit, serial, command, reasons)).await?;
    app.store.read(|reader| view(reader, &token)).map(Json)
}

/// It does not work, and nobody has got it.
#[utoipa::path(post, path = "/api/v1/tokens/{serial}/spoiled", params(("serial" = String, Path)),
    request_body = Reasons, responses((status = 200, body = TokenView)))]
pub(super) async fn spoiled(
    permit: Permit<ChangeToken>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
    body: Body<Reasons>,
) -> Result<Json<TokenView>, Problem> {
    change(permit, &app, serial, TokenCommand::Spoil, body.value.reasons).await
}

/// A blank one is not where it should be.
#[utoipa::path(post, path = "/api/v1/tokens/{serial}/missing", params(("serial" = String, Path)),
    request_body = Reasons, responses((status = 200, body = TokenView)))]
pub(super) async fn missing(
    permit: Permit<ChangeToken>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
    body: Body<Reasons>,
) -> Result<Json<TokenView>, Problem> {
    change(permit, &app, serial, TokenCommand::Lose, body.value.reasons).await
}

/// It works after all, or was found.
#[utoipa::path(post, path = "/api/v1/tokens/{serial}/restored", params(("serial" = String, Path)),
    request_body = Reasons, responses((status = 200, body = TokenView)))]
pub(super) async fn restored(
    permit: Permit<ChangeToken>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
    body: Body<Reasons>,
) -> Result<Json<TokenView>, Problem> {
    change(permit, &app, serial, TokenCommand::Restore, body.value.reasons).await
}

/// It goes back to its vendor.
#[utoipa::path(post, path = "/api/v1/tokens/{serial}/returned", params(("serial" = String, Path)),
    request_body = Reasons, responses((status = 200, body = TokenView)))]
pub(super) async fn returned(
    permit: Permit<ChangeToken>,
    State(app): State<Arc<App>>,
    Path(serial): Path<String>,
    body: Body<Reasons>,
) -> Result<Json<TokenView>, Problem> {
    change(permit, &app, serial, TokenCommand::Return, body.value.reasons).await
}
