'use strict';
{
    // Metadata and status are asked for after the page has painted, a few at a time.
    const AT_ONCE = 4;
    const TIMEOUT = 12000;
    const queue = [];
    let running = 0;
    let lastReason = '';

    function next() {
        while (running < AT_ONCE && queue.length) {
            running++;
            queue.shift()().finally(() => {
                running--;
                next();
            });
        }
    }

    async function ask(url, options) {
        const response = await fetch(url, {
            credentials: 'same-origin',
            cache: 'no-store',
            signal: AbortSignal.timeout(TIMEOUT),
            ...options,
            headers: {Accept: 'application/json', ...(options && options.headers)},
        });
        const isJson = (response.headers.get('Content-Type') || '').startsWith('application/json');
        return {ok: response.ok, body: isJson ? await response.json() : {}};
    }

    function element(name, className, text) {
        const node = document.createElement(name);
        node.className = className;
        if (text !== undefined) {
            node.textContent = text;
        }
        return node;
    }

    function button(text, className) {
        const node = element('button', 'altr-button ' + className, text);
        node.type = 'button';
        return node;
    }

    class Reference {
        constructor(root) {
            this.root = root;
            this.texts = JSON.parse(root.dataset.altr);
            this.mask = root.querySelector('.altr-mask');
            this.value = root.querySelector('.altr-value');
            this.live = root.querySelector('.altr-live');
            this.input = root.parentElement.querySelector('.altr-change');
            this.addCopy();
            if (root.dataset.altrReveal) {
                this.addReveal();
            }
            if (root.dataset.altrDetails) {
                this.waitForDetails();
            }
        }

        // The token

        addCopy() {
            const token = this.root.querySelector('.altr-token code');
            const copy = this.named(button(this.texts.copy, 'altr-copy'));
            copy.addEventListener('click', async() => {
                try {
                    await navigator.clipboard.writeText(token.textContent);
                    this.say(this.texts.copied);
                } catch {
                    getSelection().selectAllChildren(token);
                }
            });
            token.after(copy);
        }

        // Metadata and status

        waitForDetails() {
            const observer = new IntersectionObserver((entries) => {
                if (entries.some((entry) => entry.isIntersecting)) {
                    observer.disconnect();
                    queue.push(() => this.showDetails());
                    next();
                }
            }, {rootMargin: '400px'});
            observer.observe(this.root);
        }

        async showDetails() {
            const place = this.root.querySelector('.altr-ask');
            const link = place.querySelector('a');
            const wait = element('span', 'altr-wait', this.texts.loading);
            link.hidden = true;
            link.after(wait);
            try {
                const {ok, body} = await ask(this.root.dataset.altrDetails);
                if (!ok) {
                    throw new Error();
                }
                place.replaceWith(...body.rows.map(([name, text]) => this.fact(name, text)));
            } catch {
                link.hidden = false;
                wait.textContent = ' ' + this.texts.failed;
            }
        }

        fact(name, text) {
            const row = element('div', '');
            const data = element('dd', '');
            data.append(element('bdi', '', text));
            row.append(element('dt', '', name), data);
            return row;
        }

        // The plaintext

        addReveal() {
            const link = this.root.querySelector('.altr-reveal');
            this.button = this.named(button(this.texts.reveal, 'altr-reveal'));
            this.button.addEventListener('click', () => this.isRevealed ? this.hide(true) : this.start());
            link.replaceWith(this.button);
            addEventListener('pagehide', () => this.hide(false));
        }

        start() {
            if (this.root.dataset.altrReason === 'no') {
                this.reveal('');
            } else if (!this.why) {
                this.askWhy();
            }
        }

        askWhy() {
            const required = this.root.dataset.altrReason === 'required';
            const id = 'altr-reason-' + Math.random().toString(36).slice(2);
            const label = element('label', '', required ? this.texts.reason : this.texts.optional);
            const input = element('input', 'vTextField');
            const confirm = this.named(button(this.texts.reveal, 'altr-confirm'));
            const cancel = button(this.texts.cancel, 'altr-cancel');
            label.htmlFor = input.id = id;
            input.type = 'text';
            input.maxLength = 500;
            input.value = lastReason;
            input.setAttribute('aria-required', String(required));
            const done = () => {
                if (required && !input.value.trim()) {
                    input.focus();
                    return;
                }
                lastReason = input.value.trim();
                this.stopAsking();
                this.reveal(lastReason);
            };
            input.addEventListener('keydown', (event) => {
                if (event.key === 'Enter') {
                    event.preventDefault();
                    done();
                } else if (event.key === 'Escape') {
                    this.stopAsking();
                    this.button.focus();
                }
            });
            // It belongs to no form: it must not be sent with the page's.
            input.addEventListener('change', (event) => event.stopPropagation());
            confirm.addEventListener('click', done);
            cancel.addEventListener('click', () => {
                this.stopAsking();
                this.button.focus();
            });
            this.why = element('div', 'altr-why');
            this.why.append(label, input, confirm, cancel);
            this.button.hidden = true;
            this.root.querySelector('.altr-line').after(this.why);
            input.focus();
        }

        stopAsking() {
            this.why.remove();
            this.why = null;
            this.button.hidden = false;
        }

        async reveal(reason) {
            this.button.disabled = true;
            this.say(this.texts.loading);
            try {
                const {ok, body} = await ask(this.root.dataset.altrReveal, {
                    method: 'POST',
                    headers: {'X-CSRFToken': document.querySelector('[name=csrfmiddlewaretoken]').value},
                    body: new URLSearchParams({reason}),
                });
                this.button.disabled = false;
                if (ok) {
                    this.show(body);
                } else {
                    this.fail(body.error || this.texts.failed);
                }
            } catch {
                this.button.disabled = false;
                this.fail(this.texts.failed);
            }
            this.button.focus();
        }

        show(answer) {
            this.isRevealed = true;
            this.masked = answer.masked;
            this.value.textContent = answer.value;
            this.value.hidden = false;
            this.mask.hidden = true;
            this.root.querySelector('.altr-line > .altr-spoken').hidden = true;
            this.value.setAttribute('role', 'status');
            this.label(this.texts.hide);
            this.offerEdit(answer.input);
            this.count(answer.hide_after);
        }

        count(seconds) {
            const end = Date.now() + seconds * 1000;
            const tick = () => {
                const left = Math.ceil((end - Date.now()) / 1000);
                if (left <= 0) {
                    this.hide(true);
                    return;
                }
                this.clock.textContent = this.texts.seconds.replace('%s', left);
            };
            this.say('');
            // Not in the live region: nobody wants to hear a countdown.
            this.clock = element('span', 'altr-wait');
            this.clock.setAttribute('aria-hidden', 'true');
            this.button.after(this.clock);
            this.timer = setInterval(tick, 250);
            tick();
        }

        hide(aloud) {
            if (!this.isRevealed) {
                return;
            }
            clearInterval(this.timer);
            this.isRevealed = false;
            this.clock.remove();
            this.value.textContent = '';
            this.value.hidden = true;
            this.mask.textContent = this.masked;
            this.mask.hidden = false;
            this.root.querySelector('.altr-line > .altr-spoken').hidden = false;
            this.label(this.texts.reveal);
            this.forgetEdit();
            this.say(aloud ? this.texts.hidden : '');
        }

        // Editing what was revealed

        offerEdit(text) {
            const controls = '.altr-new input:not([type=checkbox]), .altr-new textarea, .altr-new select';
            const fields = this.input ? this.input.querySelectorAll(controls) : [];
            if (fields.length !== 1 || text === null) {
                return;
            }
            const field = fields[0];
            this.edit = this.named(button(this.texts.edit, 'altr-edit'));
            this.edit.addEventListener('click', () => {
                this.input.open = true;
                field.value = text;
                field.focus();
                this.filled = {field, text};
            });
            this.button.after(this.edit);
        }

        forgetEdit() {
            if (this.edit) {
                this.edit.remove();
                this.edit = null;
            }
            if (this.filled && this.filled.field.value === this.filled.text) {
                this.filled.field.value = '';
                this.input.open = false;
            }
            this.filled = null;
        }

        // Words

        named(node) {
            node.append(element('span', 'altr-spoken', ' ' + this.root.dataset.altrLabel));
            return node;
        }

        label(text) {
            this.button.firstChild.textContent = text;
        }

        say(text) {
            this.live.classList.remove('altr-error');
            this.live.textContent = text;
        }

        fail(text) {
            this.live.textContent = text;
            this.live.classList.add('altr-error');
        }
    }

    function start() {
        for (const root of document.querySelectorAll('.altr-reference')) {
            new Reference(root);
        }
        // A page of revealed values does not stay in the history of the browser.
        const results = document.querySelector('[data-altr-leave]');
        if (results) {
            addEventListener('pagehide', () => results.remove());
        }
    }

    if (document.readyState === 'loading') {
        document.addEventListener('DOMContentLoaded', start);
    } else {
        start();
    }
}
