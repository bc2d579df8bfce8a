//! 口令信封: the slip with a token's first PIN, printed, sealed and handed over with the token; the activation code comes by
//! another way. Pure, as a receipt is.

use jiff::civil::Date;

use super::{
    font::Face,
    layout::{HEIGHT, Ink, Mark, Page, WIDTH},
};
use crate::problem::Problem;

const MARGIN: f32 = 40.0;
const STEPS: [&str; 4] = [
    "1. 拆封前请检查封口：如已被拆开，请不要使用此 U-key，并立即告知窗口。",
    "Before you open it, look at the seal: if it was opened, do not use the token and tell the counter at once.",
    "2. 激活码另行发送给经办人。运行 ukey activate，输入本口令和激活码；建议同时改为自己的口令。",
    "The activation code goes to the agent by another way. Run ukey activate with this PIN and that code; choose a PIN of your own.",
];

/// What stands on a slip. No `Debug`: it has a PIN.
pub(crate) struct PinSlip {
    /// The CA's name.
    pub(crate) issuer: String,
    /// Our identifier of the application.
    pub(crate) number: String,
    /// The day in China on which the token was begun.
    pub(crate) day: Date,
    /// Whose token.
    pub(crate) unit: String,
    /// The token's serial number.
    pub(crate) token: String,
    /// The PIN.
    pub(crate) pin: String,
}

pub(super) fn page(slip: &PinSlip, face: &Face<'_>) -> Result<Page, Problem> {
    let mut page = Page::new();
    let mut text = |x, y, size, ink, strong, text: &str| {
        page.push(Mark::Text { x, y, size, ink, strong, text: text.to_owned() });
    };
    text(MARGIN, 58.0, 22.0, Ink::Accent, true, "U-key 口令");
    text(MARGIN + 130.0, 58.0, 12.0, Ink::Quiet, false, "PIN of your token");
    text(MARGIN, 78.0, 10.0, Ink::Text, false, &slip.issuer);
    for (y, label, value) in [
        (112.0, "单位 Unit", &slip.unit),
        (138.0, "U-key 序列号 Serial number", &slip.token),
        (164.0, "申请编号 Application", &slip.number),
    ] {
        text(MARGIN, y, 7.0, Ink::Quiet, false, label);
        text(MARGIN, y + 13.0, 10.0, Ink::Text, false, value);
    }
    text(MARGIN, 214.0, 7.5, Ink::Quiet, false, "口令 PIN");
    // In two groups, as people read numbers to themselves; the gap is no character of it.
    let middle = slip.pin.len() / 2;
    let (left, right) = slip.pin.split_at(middle);
    text(MARGIN, 244.0, 28.0, Ink::Accent, true, left);
    text(MARGIN + face.width(left, 28.0)? + 12.0, 244.0, 28.0, Ink::Accent, true, right);
    let mut y = 286.0;
    for (number, step) in STEPS.iter().enumerate() {
        let (size, ink) = if number % 2 == 0 { (9.0, Ink::Text) } else { (7.5, Ink::Quiet) };
        for line in face.wrap(step, size, WIDTH - 2.0 * MARGIN)? {
            page.push(Mark::Text { x: MARGIN, y, size, ink, strong: false, text: line });
            y += size * 1.4;
        }
        y += 2.0;
    }
    page.push(Mark::Qr { x: WIDTH - MARGIN - 82.0, y: 96.0, side: 82.0 });
    let rule =
        Mark::Area { x: MARGIN, y: HEIGHT - 40.0, width: WIDTH - 2.0 * MARGIN, height: 0.4, ink: Ink::Line };
    page.push(rule);
    let text = "本页只打印给持有人；不要拍照、不要转发。For the holder only: no photographs, no forwarding."
        .to_owned();
    page.push(Mark::Text { x: MARGIN, y: HEIGHT - 26.0, size: 7.0, ink: Ink::Quiet, strong: false, text });
    Ok(page)
}
