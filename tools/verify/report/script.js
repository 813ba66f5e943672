// Narrows the grid to what is typed, or to the bugs that nobody noticed.
const search = document.querySelector('#search'), open = document.querySelector('#open');
function narrow() {
    const text = search.value.toLowerCase();
    for (const row of document.querySelectorAll('.grid tr[data-text]')) {
        row.hidden = !row.dataset.text.includes(text) || open.checked && row.dataset.noticed === 'yes';
    }
}
search.addEventListener('input', narrow);
open.addEventListener('input', narrow);
