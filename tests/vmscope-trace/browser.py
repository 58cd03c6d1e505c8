"""A headless Chromium, for tests: pages from files, real clicks and keys.

Talks Chromium's DevTools protocol over a pair of pipes: no port is opened,
and the page has no network to reach for.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time

NAMES = ('chromium', 'chromium-browser', 'google-chrome')


def find():
    """The program, or None."""
    named = os.environ.get('CHROMIUM')
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    def __init__(self, folder, width=1280, height=900):
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._log = open(os.path.join(folder, 'chromium.log'), 'wb')
        wrapper = (f'exec 3<&{commands} 4>&{answers}; exec "$0" "$@"')
        self.process = subprocess.Popen(
            ['bash', '-c', wrapper, find(), '--headless=new', '--no-sandbox',
             '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
             '--disable-background-networking', '--disable-component-update',
             '--proxy-server=127.0.0.1:9', '--hide-scrollbars',
             f'--user-data-dir={os.path.join(folder, "profile")}',
             f'--window-size={width},{height}', '--remote-debugging-pipe',
             'about:blank'],
            pass_fds=(commands, answers), stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log, start_new_session=True)
        os.close(commands)
        os.close(answers)
        self._buffer = b''
        self._id = 0
        self.errors = []        # exceptions and console errors of the page
        self.requests = []      # URLs that were asked for
        self._session = None
        target = self._send('Target.createTarget', url='about:blank')
        self._session = self._send('Target.attachToTarget', flatten=True,
                                   targetId=target['targetId'])['sessionId']
        for domain in ('Page', 'Runtime', 'Network', 'Log'):
            self._send(f'{domain}.enable')
        self.resize(width, height)

    def _note(self, message):
        method, data = message.get('method'), message.get('params', {})
        if method == 'Runtime.exceptionThrown':
            details = data['exceptionDetails']
            self.errors.append(details.get('exception', {}).get(
                'description') or details['text'])
        elif method == 'Log.entryAdded' and data['entry']['level'] == 'error':
            self.errors.append(data['entry']['text'])
        elif method == 'Network.requestWillBeSent':
            self.requests.append(data['request']['url'])

    def _receive(self, deadline):
        while b'\0' not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [],
                                        max(0, deadline - time.monotonic()))
            data = os.read(self._answers, 1 << 20) if ready else b''
            if not data:
                raise AssertionError('the browser does not answer')
            self._buffer += data
        message, self._buffer = self._buffer.split(b'\0', 1)
        return json.loads(message)

    def _send(self, method, timeout=120, **parameters):
        self._id += 1
        message = {'id': self._id, 'method': method, 'params': parameters}
        if self._session:
            message['sessionId'] = self._session
        data = json.dumps(message).encode() + b'\0'
        while data:
            data = data[os.write(self._commands, data):]
        deadline = time.monotonic() + timeout
        while True:
            answer = self._receive(deadline)
            if answer.get('id') == self._id:
                if 'error' in answer:
                    raise AssertionError(f'{method}: {answer["error"]}')
                return answer['result']
            self._note(answer)

    def resize(self, width, height):
        self._send('Emulation.setDeviceMetricsOverride', width=width,
                   height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, theme):
        self._send('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme', 'value': theme}])

    def open(self, path):
        """Load a page; returns when its script has run and it was drawn."""
        self._send('Page.navigate', url=f'file://{os.path.abspath(path)}')
        self.wait('document.readyState === "complete"')
        self.wait('typeof page === "object" && page.state.draws > 0')

    def evaluate(self, expression):
        result = self._send('Runtime.evaluate', expression=expression,
                            returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in result:
            details = result['exceptionDetails']
            raise AssertionError(details.get('exception', {}).get(
                'description') or details['text'])
        return result['result'].get('value')

    def wait(self, expression, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.evaluate(expression):
                    return
            except AssertionError:
                pass            # the page that was there is going away
            if time.monotonic() > deadline:
                raise AssertionError(f'waited {seconds} s for {expression}')
            time.sleep(0.05)

    def drawn(self):
        """Wait until what was asked for is on the screen."""
        self.evaluate('new Promise((done) => requestAnimationFrame(() => '
                      'requestAnimationFrame(() => done(true))))')

    def box(self, selector):
        """Where an element is in the window: x, y, width, height."""
        return self.evaluate(
            f'(() => {{ const e = document.querySelector({json.dumps(selector)});'
            ' const b = e.getBoundingClientRect();'
            ' return [b.x, b.y, b.width, b.height]; })()')

    def mouse(self, kind, x, y, **more):
        self._send('Input.dispatchMouseEvent', type=kind, x=x, y=y, **more)

    def move(self, x, y):
        self.mouse('mouseMoved', x, y)
        self.drawn()

    def click(self, x, y):
        self.mouse('mouseMoved', x, y)
        for kind in ('mousePressed', 'mouseReleased'):
            self.mouse(kind, x, y, button='left', clickCount=1)
        self.drawn()

    def click_on(self, selector):
        self.evaluate(f'document.querySelector({json.dumps(selector)})'
                      '.scrollIntoView({block: "nearest"})')
        x, y, width, height = self.box(selector)
        self.click(x + width / 2, y + height / 2)

    def drag(self, x0, y0, x1, y1, modifiers=0):
        self.mouse('mouseMoved', x0, y0)
        self.mouse('mousePressed', x0, y0, button='left', clickCount=1,
                   modifiers=modifiers)
        for step in range(1, 6):
            self.mouse('mouseMoved', x0 + (x1 - x0) * step / 5,
                       y0 + (y1 - y0) * step / 5, button='left', buttons=1,
                       modifiers=modifiers)
        self.mouse('mouseReleased', x1, y1, button='left', clickCount=1,
                   modifiers=modifiers)
        self.drawn()

    def wheel(self, x, y, delta):
        self.mouse('mouseWheel', x, y, deltaX=0, deltaY=delta)
        self.drawn()

    def key(self, key):
        text = {'text': key} if len(key) == 1 else {}
        self._send('Input.dispatchKeyEvent', type='keyDown', key=key, **text)
        self._send('Input.dispatchKeyEvent', type='keyUp', key=key)
        self.drawn()

    def type(self, text):
        self._send('Input.insertText', text=text)
        self.drawn()

    def screenshot(self, path):
        data = self._send('Page.captureScreenshot', format='png')['data']
        with open(path, 'wb') as file:
            file.write(base64.b64decode(data))

    def close(self):
        """A second call does nothing."""
        if self._log.closed:
            return
        os.close(self._commands)
        os.close(self._answers)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._log.close()
