//! 人员批量建档 over HTTP: templates, good and bad lines, limits, formulas.

use hyper::{StatusCode, body::Bytes};
use rust_xlsxwriter::Workbook;

use crate::{
    agent::{Agent, ORIGIN, hidden, logged_in},
    browser::Answer,
};

async fn upload(agent: &Agent, mode: &str, file: &[u8]) -> Answer {
    let page = agent.get("/batch").await.body;
    let mut body = Vec::new();
    for (name, value) in
        [("csrf", hidden(&page, "csrf")), ("form", hidden(&page, "form")), ("mode", mode.to_owned())]
    {
        body.extend(
            format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    body.extend(b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n");
    body.extend(file);
    body.extend(b"\r\n--x--\r\n");
    let headers = [
        ("content-type", "multipart/form-data; boundary=x"),
        ("cookie", agent.cookie.as_str()),
        ("origin", ORIGIN),
    ];
    let mut connection = agent.browser.connect(agent.address).await;
    connection.send("POST", "/batch", &headers, Bytes::from(body)).await.unwrap()
}

async fn kept(agent: &Agent) -> usize {
    agent.get("/submissions").await.body.matches("<td>人员建档</td>").count()
}

#[tokio::test]
async fn the_templates_come_back_as_they_are() {
    let (_site, agent) = logged_in().await;
    for (count, file) in [(1, "template.csv"), (2, "template.xlsx")] {
        let template = agent.get(&format!("/batch/{file}")).await;
        assert!(template.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
        let answer = upload(&agent, "all", &template.octets).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}: {}", answer.body);
        assert!(answer.body.contains("/submissions/2"), "{}", answer.body);
        assert_eq!(kept(&agent).await, count);
    }
    assert_eq!(agent.get("/batch/other.csv").await.status, StatusCode::NOT_FOUND);
}

/// The template's header, and lines for which the number and the name differ.
fn table(lines: &[(&str, &str)]) -> String {
    let header =
        "证件类型,证件号码,姓名,性别,出生日期,民族,户口性质,户籍区划,户籍地址,文化程度,手机号码,建档原因\n";
    let line = |(number, name): &(&str, &str)| {
        let (born, sex) =
            if number.starts_with('4') { ("1880-01-01", "男") } else { ("1949-12-31", "Female") };
        let born = if number.starts_with("440524188001010014") { "1880-01-01" } else { born };
        format!(
            "居民身份证,{number},{name},{sex},{born},汉族,城镇,320104,某路 1 号,大学本科,13800000000,first\n"
        )
    };
    header.to_owned() + &lines.iter().map(line).collect::<String>()
}

#[tokio::test]
async fn bad_lines_stop_the_file_or_themselves_as_is_asked() {
    let (_site, agent) = logged_in().await;
    let file = table(&[("11010519491231002X", "张三"), ("110105194912310021", "李四"), ("", "王五")]);
    let answer = upload(&agent, "all", file.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for text in ["无误，未提交", "身份证号码有误", "必填", "没有提交任何一行"] {
        assert!(answer.body.contains(text), "{text}: {}", answer.body);
    }
    assert_eq!(kept(&agent).await, 0);
    let answer = upload(&agent, "good", file.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains("已提交: 1 · 有错误: 2"), "{}", answer.body);
    assert_eq!(kept(&agent).await, 1);
    let twice = table(&[("11010519491231002X", "张三"), ("11010519491231002x", "张三")]);
    let answer = upload(&agent, "good", twice.as_bytes()).await;
    assert_eq!(answer.body.matches("文件中有重复的证件号码").count(), 2, "{}", answer.body);
    let gb = encoding_rs::GB18030.encode(&table(&[("11010519491231002X", "张三")])).0.into_owned();
    assert_eq!(upload(&agent, "all", &gb).await.status, StatusCode::OK, "GB 18030");
    assert_eq!(kept(&agent).await, 2);
    let markup = table(&[("<script>alert(1)</script>", "<script>")]);
    assert!(!upload(&agent, "good", markup.as_bytes()).await.body.contains("<script"));
}

#[tokio::test]
async fn what_is_no_table_or_too_large_is_refused() {
    let (_site, agent) = logged_in().await;
    let good = table(&[("11010519491231002X", "张三")]);
    let header = good.lines().next().unwrap();
    let many = table(&[("11010519491231002X", "张三"); 501]);
    let mut lost = Workbook::new();
    let sheet = lost.add_worksheet();
    for (column, name) in (0..).zip(header.split(',')) {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.write_number(1, 1, 110_105_194_912_310_021.0).unwrap();
    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    bomb.start_file("xl/worksheets/sheet1.xml", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(b' '), 40 << 20), &mut bomb).unwrap();
    for (file, words) in [
        (Vec::new(), "没有人员"),
        (header.as_bytes().to_vec(), "没有人员"),
        (good.replace("姓名", "名").into_bytes(), "不是模板的表头"),
        (good.replace("姓名", "性别").into_bytes(), "不是模板的表头"),
        (good.replace(",first", ",first,more").into_bytes(), "比表头多"),
        (good.replace("某路", &"长".repeat(301)).into_bytes(), "文件太大"),
        (many.into_bytes(), "文件太大"),
        (b"PK\x03\x04rubbish".to_vec(), "文件无法识别"),
        (b"a\0b".to_vec(), "文件无法识别"),
        (b"\xff\xff\xff".to_vec(), "文件无法识别"),
        (lost.save_to_buffer().unwrap(), "丢失末位"),
        (bomb.finish().unwrap().into_inner(), "文件太大"),
        (vec![b'x'; 3 << 20], "超过 2 MiB"),
    ] {
        let answer = upload(&agent, "all", &file).await;
        assert!(answer.status.is_client_error(), "{words}");
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
    }
    assert_eq!(kept(&agent).await, 0);
}
