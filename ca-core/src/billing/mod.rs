//! What things cost, what was paid, and where the money stands (step 4 of the path). Amounts in fen.
//!
//! A [`Bill`] is an order with its charges, one an application. Whatever happens to it goes through
//! [`Bill::apply`], which gives the postings that belong to it: an order cannot change without its money, and no money
//! moves without a reason.

mod account;
mod bill;
mod chargeback;
mod invoice;
mod invoice_error;
mod invoice_form;
mod invoice_record;
#[cfg(test)]
mod model;
mod order;
mod payment;
mod tariff;

pub use account::{Account, Booked, Payer, PaymentMethod, Posting};
pub use bill::{Bill, BillCommand, BillRefusal, COLLECT, Collected};
pub use chargeback::{Chargeback, ChargebackCommand, ChargebackState, check_chargeback};
pub use invoice::{
    InvoiceCommand, InvoiceNumber, InvoiceState, check_invoice_amount, invoice_due, invoiceable,
};
pub use invoice_error::InvoiceError;
pub use invoice_form::{Buyer, InvoiceForm, InvoiceKind, InvoicePayer, InvoiceRequest, Particulars};
pub use invoice_record::{Invoice, KeptForm};
pub use order::{Charge, Order, OrderState};
pub use payment::{Adjustment, AdjustmentCommand, AdjustmentKind, AdjustmentState, Payment};
pub use tariff::{FeeItem, Item, Quote, QuoteLine, Tariff};
