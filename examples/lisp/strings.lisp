; A string builder: pieces are kept in a list and joined at the end; a hash table counts words.

(define (builder) (cons '() 0))
(define (add! made piece)
  (set-car! made (cons piece (car made)))
  (set-cdr! made (+ (cdr made) (string-length piece))))
(define (built made) (apply string-append (reverse (car made))))

(define words (list->vector (list "heap" "pool" "arena" "block" "куча")))

(define made (builder))
(define seen (make-table))
(let loop ((i 0))
  (if (< i 20000)
      (let ((word (vector-ref words (modulo (* i i) 5))))
        (add! made word)
        (table-set! seen word (+ 1 (table-ref seen word 0)))
        (loop (+ i 1)))))

(define text (built made))
(print "length: " (string-length text) ", counted: " (cdr made))
(print "begins: " (substring text 0 20))
(for-each (lambda (word) (print word ": " (table-ref seen word 0)))
          (filter (lambda (word) (table-has? seen word)) (vector->list words)))
