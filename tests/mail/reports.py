"""Reports as mail systems write them, their addresses replaced: what came back to a return path."""

from __future__ import annotations

from relay.mail.return_path import ReturnPath

KEY = b"k" * 32
DOMAIN = "bounce.lpse.example.go.id"
AT = 1_317_712_260_123
PATH = ReturnPath([KEY], DOMAIN)
OURS = PATH.address(1 << 50, 3, AT, AT)
VENDOR = "vendor@example.co.id"

RETURNED = f"""\
Return-Path: <{OURS}>
Received: from relay.lpse.example.go.id (relay.lpse.example.go.id [203.0.113.7])
\tby mx.example.co.id (Postfix) with ESMTPS id 4ABCD; Tue, 4 Oct 2011 14:11:00 +0700 (WIB)
DKIM-Signature: v=1; a=rsa-sha256; d=lpse.example.go.id; s=s1; h=From:To; bh=x; b=y
From: LPSE <info@lpse.example.go.id>
To: {VENDOR}
Subject: Pengumuman
X-LPSE-Return-Path: {OURS}
Message-ID: <1@lpse.example.go.id>
"""

POSTFIX = f"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example.co.id (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {OURS}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="8A1B2C3D4E.1696154400/mx.example.co.id"
Content-Transfer-Encoding: 8bit

This is a MIME-encapsulated message.

--8A1B2C3D4E.1696154400/mx.example.co.id
Content-Description: Notification
Content-Type: text/plain; charset=utf-8

This is the mail system at host mx.example.co.id.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<{VENDOR}>: host inner.example.co.id[192.0.2.9] said: 550 5.1.1
    <{VENDOR}>: Recipient address rejected: User unknown in local
    recipient table (in reply to RCPT TO command)

--8A1B2C3D4E.1696154400/mx.example.co.id
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.co.id
X-Postfix-Queue-ID: 8A1B2C3D4E
X-Postfix-Sender: rfc822; {OURS}
Arrival-Date: Tue,  4 Oct 2011 14:11:00 +0700 (WIB)

Final-Recipient: rfc822; {VENDOR}
Original-Recipient: rfc822;{VENDOR}
Action: failed
Status: 5.1.1
Remote-MTA: dns; inner.example.co.id
Diagnostic-Code: smtp; 550 5.1.1 <{VENDOR}>: Recipient address rejected:
    User unknown in local recipient table

--8A1B2C3D4E.1696154400/mx.example.co.id
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

{RETURNED}
--8A1B2C3D4E.1696154400/mx.example.co.id--
"""

DELAYED = (
    POSTFIX.replace("Undelivered Mail Returned to Sender", "Delayed Mail (still being retried)")
    .replace("Action: failed", "Action: delayed")
    .replace("Status: 5.1.1", "Status: 4.4.1")
    .replace(
        f"smtp; 550 5.1.1 <{VENDOR}>: Recipient address rejected:\n"
        "    User unknown in local recipient table",
        "X-Postfix; connect to inner.example.co.id[192.0.2.9]:25:\n    Connection timed out",
    )
)

SENDMAIL = f"""\
From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example.co.id>
To: <{OURS}>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="p94IPa3b012345.1317752736/mx.example.co.id"
Subject: Returned mail: see transcript for details
Auto-Submitted: auto-generated (failure)

This is a MIME-encapsulated message

--p94IPa3b012345.1317752736/mx.example.co.id

The original message was received at Tue, 4 Oct 2011 18:25:36 GMT
from relay.lpse.example.go.id [203.0.113.7]

   ----- The following addresses had permanent fatal errors -----
<{VENDOR}>
    (reason: 550 5.1.1 <{VENDOR}>... User unknown)

   ----- Transcript of session follows -----
... while talking to inner.example.co.id.:
>>> DATA
<<< 550 5.1.1 <{VENDOR}>... User unknown
550 5.1.1 <{VENDOR}>... User unknown

--p94IPa3b012345.1317752736/mx.example.co.id
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.co.id
Received-From-MTA: DNS; relay.lpse.example.go.id
Arrival-Date: Tue, 4 Oct 2011 18:25:36 GMT

Final-Recipient: RFC822; {VENDOR}
Action: failed
Status: 5.1.1
Remote-MTA: DNS; inner.example.co.id
Diagnostic-Code: SMTP; 550 5.1.1 <{VENDOR}>... User unknown
Last-Attempt-Date: Tue, 4 Oct 2011 18:25:36 GMT

--p94IPa3b012345.1317752736/mx.example.co.id
Content-Type: message/rfc822

{RETURNED}
Isi surat.

--p94IPa3b012345.1317752736/mx.example.co.id--
"""

EXCHANGE = f"""\
From: Microsoft Outlook
\t<MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.co.id>
To: <{OURS}>
Subject: Undeliverable: Pengumuman
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="26feff-75ff"

--26feff-75ff
Content-Type: multipart/alternative; differences=Content-Type;
\tboundary="0626feff-75ff"

--0626feff-75ff
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

Delivery has failed to these recipients or groups:

{VENDOR}<mailto:{VENDOR}>
The email address you entered couldn't be found.

--0626feff-75ff
Content-Type: text/html; charset="us-ascii"

<html><body>Delivery has failed</body></html>

--0626feff-75ff--

--26feff-75ff
Content-Type: message/delivery-status

Reporting-MTA: dns;AM7PR02MB5846.eurprd02.prod.outlook.com
Received-From-MTA: dns;relay.lpse.example.go.id
Arrival-Date: Sat, 10 Sep 2022 01:05:15 +0000

Final-Recipient: rfc822;{VENDOR}
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound;
 Recipient not found by SMTP address lookup
X-Display-Name: vendor

--26feff-75ff
Content-Type: message/rfc822

{RETURNED}
Isi surat.

--26feff-75ff--
"""

GMAIL = f"""\
From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
To: {OURS}
Auto-Submitted: auto-replied
Subject: Delivery Status Notification (Failure)
Content-Type: multipart/report; boundary="000000000000a1"; report-type=delivery-status
X-Failed-Recipients: {VENDOR}

--000000000000a1
Content-Type: multipart/related; boundary="000000000000a2"

--000000000000a2
Content-Type: text/plain; charset="UTF-8"

** Address not found **

Your message wasn't delivered to {VENDOR} because the address couldn't be found.

--000000000000a2--
--000000000000a1
Content-Type: message/delivery-status

Reporting-MTA: dns; googlemail.com
Arrival-Date: Tue, 04 Oct 2011 00:11:00 -0700 (PDT)
X-Original-Message-ID: <1@lpse.example.go.id>

Final-Recipient: rfc822; {VENDOR}
Action: failed
Status: 5.1.1
Remote-MTA: dns; gmail-smtp-in.l.google.com. (192.0.2.26, the server for the domain example.co.id.)
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.
 Please try 550-5.1.1 double-checking the recipient's email address for typos or
 550 5.1.1 unnecessary spaces.
Last-Attempt-Date: Tue, 04 Oct 2011 00:11:01 -0700 (PDT)

--000000000000a1
Content-Type: message/rfc822

{RETURNED}
Isi surat.

--000000000000a1--
"""

EXIM = f"""\
X-Failed-Recipients: {VENDOR}
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@mx.example.co.id>
To: {OURS}
Subject: Mail delivery failed: returning message to sender
Message-Id: <E1qWEER-00DoMi-03@mx.example.co.id>

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {VENDOR}
    SMTP error from remote mail server after RCPT TO:<{VENDOR}>:
    host inner.example.co.id [192.0.2.9]: 550 5.1.1 User unknown

------ This is a copy of the message, including all the headers. ------

{RETURNED}
"""

QMAIL = f"""\
Received: (qmail 12122 invoked for bounce); 4 Oct 2011 05:03:53 -0000
Date: 4 Oct 2011 05:03:53 -0000
From: MAILER-DAEMON@mx.example.co.id
To: {OURS}
Subject: failure notice

Hi. This is the qmail-send program at mx.example.co.id.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{VENDOR}>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

{RETURNED}
Isi surat.
"""

OLD_EXCHANGE = f"""\
From: System Administrator <postmaster@example.co.id>
To: {OURS}
Subject: Undeliverable: Pengumuman
MIME-Version: 1.0
X-Mailer: Internet Mail Service (5.5.2653.19)
Content-Type: multipart/mixed; boundary="----_=_NextPart_000_01C230A7.4007C85E"

------_=_NextPart_000_01C230A7.4007C85E
Content-Type: text/plain; charset="iso-8859-1"

Your message

  To:      {VENDOR}
  Subject: Pengumuman
  Sent:    Tue, 4 Oct 2011 07:10:15 +0700

did not reach the following recipient(s):

{VENDOR} on Tue, 4 Oct 2011 07:10:13 +0700
    The recipient name is not recognized
\tThe MTS-ID of the original message is: c=us;a= ;p=example;l=GW01021
    MSEXCH:IMS:Example:EXAMPLE:GW01 0 (000C05A6) Unknown Recipient

------_=_NextPart_000_01C230A7.4007C85E
Content-Type: message/rfc822

{RETURNED}
------_=_NextPart_000_01C230A7.4007C85E--
"""

GMAIL_WARNING = f"""\
From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
To: {OURS}
Subject: Delivery Status Notification (Delay)

This is an automatically generated Delivery Status Notification

THIS IS A WARNING MESSAGE ONLY.

Delivery to the following recipient has been delayed:

     {VENDOR}

Message will be retried for 2 more day(s)
"""

ARF = f"""\
From: <feedback@provider.example>
Date: Thu, 8 Mar 2012 17:40:36 EDT
Subject: FW: Pengumuman
To: <fbl@{DOMAIN}>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
\tboundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report for an email message received from IP
203.0.113.7 on Thu, 8 Mar 2012 14:00:00 EDT.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{OURS}>
Original-Rcpt-To: <{VENDOR}>
Source-IP: 203.0.113.7

--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822
Content-Disposition: inline

{RETURNED}
Isi surat.

--part1_13d.2e68ed54_boundary--
"""

JMRP = f"""\
From: staff@hotmail.com
To: fbl@{DOMAIN}
Subject: complaint about message from 203.0.113.7
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="====boundary"

--====boundary
Content-Type: message/rfc822
Content-Disposition: attachment

X-HmXmrOriginalRecipient: <vendor@hotmail.example>
{RETURNED}
Isi surat.

--====boundary--
"""

VACATION = f"""\
From: Vendor <{VENDOR}>
To: {OURS}
Subject: Out of office: Pengumuman
Auto-Submitted: auto-replied (vacation)
Precedence: bulk

Terima kasih. Saya sedang cuti. 550 5.1.1 User unknown <{VENDOR}>:
"""


def wire(text: str) -> bytes:
    """As it comes over the wire."""
    return text.replace("\n", "\r\n").encode()
